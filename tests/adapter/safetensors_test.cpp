#include "adapter/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "adapter/float16.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
    const uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string error_of(const std::string& bytes) {
    const auto file = SafetensorsFile::parse(bytes, "x.safetensors");
    return file.ok() ? "no error" : file.error().message;
}

std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
}

TEST(Safetensors, ReadsWhatItWrites) {
    const std::vector<float> a = {1.5f, -2.25f, 0.0f, 3e-5f, 65504.0f, -0.5f}, b = {1e-30f, 7.0f};
    const auto bytes = serialize_safetensors({{"a", {2, 3}, a, TensorType::kF16}, {"b", {2}, b}},
                                             {{"made", "by a test"}}, "x");
    ASSERT_TRUE(bytes.ok()) << bytes.error().message;
    EXPECT_EQ((*bytes)[8], '{');
    uint64_t header = 0;
    std::memcpy(&header, bytes->data(), 8);
    EXPECT_EQ(header % 8, 0u);
    const auto file = SafetensorsFile::parse(*bytes, "x");
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(file->tensors().size(), 2u);
    EXPECT_EQ(*file->floats("b", {2}), b);
    const auto back = file->floats("a", {2, 3});
    ASSERT_TRUE(back.ok());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ((*back)[i], from_float16(to_float16(a[i])));
    EXPECT_EQ(*file->shape("a", 2), (std::vector<uint64_t>{2, 3}));
}

TEST(Safetensors, ReadsBfloat16) {
    const std::string data("\x80\x3f\x40\xc0", 4);
    const auto file =
        SafetensorsFile::parse(file_of("{" + tensor("t", "BF16", "[2]", "[0,4]") + "}", data), "x");
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(*file->floats("t", {2}), (std::vector<float>{1.0f, -3.0f}));
}

TEST(Safetensors, NamesTheTensorThatIsMissingOrDiffers) {
    const std::string data(8, '\0');
    const auto file = SafetensorsFile::parse(
        file_of("{" + tensor("t", "F32", "[2]", "[0,8]") + "}", data), "x.safetensors");
    ASSERT_TRUE(file.ok());
    EXPECT_THAT(file->floats("u", {2}).error().message, HasSubstr("'x.safetensors': tensor 'u'"));
    EXPECT_THAT(file->floats("t", {3}).error().message, HasSubstr("shape [2], expected [3]"));
    EXPECT_THAT(file->floats("t", {1, 2}).error().message, HasSubstr("expected [1, 2]"));
    EXPECT_THAT(file->shape("t", 2).error().message, HasSubstr("expected 2 dimensions"));
    const auto ints =
        SafetensorsFile::parse(file_of("{" + tensor("t", "I64", "[1]", "[0,8]") + "}", data), "x");
    ASSERT_TRUE(ints.ok());
    EXPECT_THAT(ints->floats("t", {1}).error().message, HasSubstr("dtype I64"));
}

TEST(Safetensors, RefusesNanAndInfinity) {
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
        std::string data(8, '\0');
        std::memcpy(data.data() + 4, &bad, 4);
        const auto file = SafetensorsFile::parse(
            file_of("{" + tensor("t", "F32", "[2]", "[0,8]") + "}", data), "x");
        ASSERT_TRUE(file.ok());
        EXPECT_THAT(file->floats("t", {2}).error().message, HasSubstr("element 1"));
        const std::vector<float> values = {0.0f, bad};
        EXPECT_FALSE(serialize_safetensors({{"t", {2}, values}}, {}, "x").ok());
    }
    const std::vector<float> large = {65520.0f};
    EXPECT_TRUE(serialize_safetensors({{"t", {1}, large}}, {}, "x").ok());
    EXPECT_THAT(
        serialize_safetensors({{"t", {1}, large, TensorType::kF16}}, {}, "x").error().message,
        HasSubstr("cannot be stored"));
    EXPECT_FALSE(serialize_safetensors({{"t", {2}, large}}, {}, "x").ok());
}

TEST(Safetensors, RefusesHostileHeaders) {
    const std::string data(8, '\0');
    const auto with = [&](const std::string& header) { return error_of(file_of(header, data)); };
    EXPECT_THAT(error_of(""), HasSubstr("shorter than 8 bytes"));
    EXPECT_THAT(error_of(std::string(8, '\xff')), HasSubstr("header length"));
    EXPECT_THAT(error_of(std::string("\x09\0\0\0\0\0\0\0{}", 10)), HasSubstr("header length"));
    EXPECT_THAT(with("[1]"), HasSubstr("not an object"));
    EXPECT_THAT(with("{"), HasSubstr("not JSON"));
    EXPECT_THAT(with(std::string(100000, '[')), HasSubstr("nested too deeply"));
    EXPECT_THAT(with("{}"), HasSubstr("belong to no tensor"));
    EXPECT_THAT(with("{\"t\":3}"), HasSubstr("lacks dtype"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[2]", "[0,9]") + "}"), HasSubstr("outside"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[2]", "[8,0]") + "}"), HasSubstr("outside"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[2]", "[-8,0]") + "}"), HasSubstr("whole number"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[2]", "[0]") + "}"), HasSubstr("two numbers"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[1.0]", "[0,8]") + "}"), HasSubstr("whole number"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[3]", "[0,8]") + "}"), HasSubstr("do not fit"));
    EXPECT_THAT(with("{" + tensor("t", "F12", "[2]", "[0,8]") + "}"), HasSubstr("unknown dtype"));
    // 2^62 elements of 4 bytes and 2^32 x 2^32 elements both wrap to 0 in 64 bits.
    EXPECT_THAT(with("{" + tensor("t", "F32", "[4611686018427387904]", "[0,0]") + "}"),
                HasSubstr("do not fit"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[4294967296,4294967296]", "[0,0]") + "}"),
                HasSubstr("do not fit"));
    EXPECT_THAT(with("{" + tensor("t", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") + "}"),
                HasSubstr("too many dimensions"));
    const std::string one = tensor("t", "F32", "[1]", "[0,4]");
    EXPECT_THAT(with("{" + one + "," + one + "}"), HasSubstr("'t' twice"));
    EXPECT_THAT(with("{" + one + "," + tensor("u", "F32", "[1]", "[0,4]") + "}"),
                HasSubstr("overlaps"));
    EXPECT_THAT(with("{" + one + "," + tensor("u", "F16", "[1]", "[6,8]") + "}"),
                HasSubstr("hole"));
    EXPECT_THAT(with("{" + one + "}"), HasSubstr("4 bytes at the end"));
}

RC_GTEST_PROP(Safetensors, AnyBytesGiveAFileOrAnError, (const std::string& noise)) {
    const auto file = SafetensorsFile::parse(file_of(noise, noise), "x");
    const auto raw = SafetensorsFile::parse(noise, "x");
    const bool raw_reports = raw.ok() || !raw.error().message.empty();
    RC_ASSERT(raw_reports);
    const bool file_reports = file.ok() || !file.error().message.empty();
    RC_ASSERT(file_reports);
}

TEST(Safetensors, EveryFlippedBitGivesAFileOrAnError) {
    const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f};
    const std::string good =
        *serialize_safetensors({{"a", {2, 2}, values}, {"b", {4}, values}}, {{"k", "v"}}, "x");
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        const auto file = SafetensorsFile::parse(bad, "x");
        if (!file.ok()) {
            EXPECT_FALSE(file.error().message.empty());
            continue;
        }
        for (const auto& [name, tensor] : file->tensors()) {
            const auto floats = file->floats(name, tensor.shape);
            EXPECT_TRUE(floats.ok() || !floats.error().message.empty());
        }
    }
    for (size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(SafetensorsFile::parse(good.substr(0, size), "x").ok()) << size;
    }
}

// An independent reader, where Python has one.
TEST(Safetensors, AgreesWithThePythonPackage) {
    if (std::system("python3 -c 'import numpy, safetensors' 2>/dev/null") != 0) {
        GTEST_SKIP() << "python3 has no safetensors and numpy";
    }
    test::TemporaryDirectory directory;
    std::vector<float> values;
    for (int i = 0; i < 24; ++i) values.push_back(static_cast<float>(i) / 8 - 1);
    test::spit(directory / "ours.safetensors",
               *serialize_safetensors(
                   {{"half", {4, 6}, values, TensorType::kF16}, {"single", {24}, values}},
                   {{"format", "pt"}}, "x"));
    const std::string command =
        "python3 '" S3ATTN_ADAPTER_TESTS_DIR "/check_safetensors.py' '" + directory.path() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto theirs = SafetensorsFile::read(directory / "theirs.safetensors");
    ASSERT_TRUE(theirs.ok()) << theirs.error().message;
    EXPECT_EQ(*theirs->floats("half", {4, 6}), values);
    EXPECT_EQ(*theirs->floats("single", {24}), values);
}

}  // namespace
}  // namespace s3attn
