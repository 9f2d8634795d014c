#include "base/device_choice.h"

#include <gtest/gtest.h>

namespace s3attn {
namespace {

const Status kThere;
const Status kMissing = make_error(ErrorCode::kUnsupported, "no card");
const Status kOtherMissing = make_error(ErrorCode::kUnsupported, "no runtime");

Result<Device> choose(Device wanted, bool built, const Status& card, const Status& runtime) {
    return choose_device(
        wanted, built, [&] { return card; }, [&] { return runtime; });
}

Device chosen(Device wanted, bool built, const Status& card, const Status& runtime) {
    const auto device = choose(wanted, built, card, runtime);
    EXPECT_TRUE(device.ok());
    return device.ok() ? *device : Device::kAuto;
}

TEST(DeviceChoice, AutoTakesTheCardWhereEverythingIsThere) {
    EXPECT_EQ(chosen(Device::kAuto, true, kThere, kThere), Device::kCuda);
    EXPECT_EQ(chosen(Device::kAuto, true, kMissing, kThere), Device::kCpu);
    EXPECT_EQ(chosen(Device::kAuto, true, kThere, kOtherMissing), Device::kCpu);
}

TEST(DeviceChoice, WithoutCudaAutoLeavesItToTheRuntime) {
    EXPECT_EQ(chosen(Device::kAuto, false, kMissing, kThere), Device::kAuto);
    EXPECT_EQ(chosen(Device::kAuto, false, kMissing, kOtherMissing), Device::kAuto);
}

TEST(DeviceChoice, CpuNeedsNothing) {
    EXPECT_EQ(chosen(Device::kCpu, true, kThere, kThere), Device::kCpu);
    EXPECT_EQ(chosen(Device::kCpu, false, kMissing, kOtherMissing), Device::kCpu);
    bool asked = false;
    const auto ask = [&asked] {
        asked = true;
        return Status{};
    };
    ASSERT_TRUE(choose_device(Device::kCpu, true, ask, ask).ok());
    EXPECT_FALSE(asked) << "the card is left alone";
}

TEST(DeviceChoice, CudaSaysWhatIsMissing) {
    EXPECT_EQ(chosen(Device::kCuda, true, kThere, kThere), Device::kCuda);
    const auto no_card = choose(Device::kCuda, true, kMissing, kOtherMissing);
    ASSERT_FALSE(no_card.ok());
    EXPECT_EQ(no_card.error().message, "no card");
    const auto no_runtime = choose(Device::kCuda, true, kThere, kOtherMissing);
    ASSERT_FALSE(no_runtime.ok());
    EXPECT_EQ(no_runtime.error().message, "no runtime");
}

}  // namespace
}  // namespace s3attn
