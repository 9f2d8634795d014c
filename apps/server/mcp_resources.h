// Documents as resources: s3attn://STORE/ID, and s3attn://STORE/ID?begin=B&end=E for a part of the
// text.
#pragma once

#include <string>

#include "access.h"
#include "errors.h"
#include "service.h"

namespace s3attn::server {

Outcome<Json> list_resources(const Service& service, const Access& access, const Json& params);
Json resource_templates();
Outcome<Json> read_resource(const Service& service, const Access& access, const std::string& uri);

}  // namespace s3attn::server
