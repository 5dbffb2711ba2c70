//===- Json.cpp - JSON of unknown origin ----------------------------------===//
//
// The text is scanned once before nlohmann sees it: for depth, and for Python's NaN and Infinity. Exceptions
// of the parser end here.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Json.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace sylvite;

// Python's names for the numbers that JSON lacks, as this file passes them on. Control characters keep
// them apart from any text in the model.
static constexpr StringLiteral kNotANumber("\x01NaN"), kInfinity("\x01Infinity"),
    kMinusInfinity("\x01-Infinity");

/// Rewrites NaN, Infinity and -Infinity outside strings, and measures the depth.
static std::optional<std::string> rewritePythonNumbers(StringRef text, unsigned &depth) {
  unsigned level = 0;
  depth = 0;
  bool inString = false, found = false;
  std::string out;
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
      continue;
    }
    if (c == '"')
      inString = true;
    else if (c == '{' || c == '[')
      depth = std::max(depth, ++level);
    else if ((c == '}' || c == ']') && level)
      --level;
    else if (c == 'N' || c == 'I' || (c == '-' && text.substr(i).starts_with("-I"))) {
      for (auto [name, mark] : {std::pair<StringRef, StringRef>{"NaN", "\"\\u0001NaN\""},
                                {"Infinity", "\"\\u0001Infinity\""},
                                {"-Infinity", "\"\\u0001-Infinity\""}}) {
        if (!text.substr(i).starts_with(name))
          continue;
        found = true;
        out.append(text.data() + copied, i - copied);
        out.append(mark.data(), mark.size());
        i += name.size() - 1;
        copied = i + 1;
        break;
      }
    }
  }
  if (!found)
    return std::nullopt;
  out.append(text.data() + copied, text.size() - copied);
  return out;
}

Expected<Json> sylvite::parseJson(StringRef text, StringRef what) {
  unsigned depth;
  std::optional<std::string> rewritten = rewritePythonNumbers(text, depth);
  if (depth > kMaxJsonDepth)
    return makeError("{0} nests {1} levels deep; {2} are supported", what, depth, kMaxJsonDepth);
  if (rewritten)
    text = *rewritten;

  std::string repeated;
  std::vector<StringSet<>> names;
  auto watch = [&](int, Json::parse_event_t event, Json &value) {
    if (event == Json::parse_event_t::object_start)
      names.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      names.pop_back();
    else if (event == Json::parse_event_t::key && repeated.empty())
      if (auto name = asString(&value); name && !names.back().insert(*name).second)
        repeated = name->str();
    return true;
  };
  try {
    Json value = Json::parse(text.begin(), text.end(), watch);
    if (!repeated.empty())
      return makeError("{0} holds '{1}' twice in one object", what, repeated);
    return value;
  } catch (const std::exception &error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    StringRef message(error.what());
    return makeError("{0} is not valid JSON: {1}", what, message.substr(message.find("] ") + 2));
  }
}

const Json *sylvite::member(const Json &value, StringRef key) {
  if (!value.is_object())
    return nullptr;
  for (auto it = value.begin(); it != value.end(); ++it)
    if (it.key() == key)
      return &*it;
  return nullptr;
}

std::optional<StringRef> sylvite::asString(const Json *value) {
  if (!value || !value->is_string())
    return std::nullopt;
  return StringRef(*value->get_ptr<const Json::string_t *>());
}

std::optional<int64_t> sylvite::asInteger(const Json *value) {
  if (!value)
    return std::nullopt;
  if (auto *number = value->get_ptr<const Json::number_unsigned_t *>())
    return *number <= uint64_t(INT64_MAX) ? std::optional<int64_t>(*number) : std::nullopt;
  if (auto *number = value->get_ptr<const Json::number_integer_t *>())
    return *number;
  if (auto *number = value->get_ptr<const Json::number_float_t *>())
    if (std::floor(*number) == *number && std::abs(*number) < 9e15)
      return int64_t(*number);
  return std::nullopt;
}

std::optional<double> sylvite::asNumber(const Json *value) {
  if (!value)
    return std::nullopt;
  if (auto text = asString(value)) {
    if (*text == kNotANumber)
      return std::numeric_limits<double>::quiet_NaN();
    if (*text == kInfinity)
      return std::numeric_limits<double>::infinity();
    if (*text == kMinusInfinity)
      return -std::numeric_limits<double>::infinity();
    return std::nullopt;
  }
  if (auto *number = value->get_ptr<const Json::number_unsigned_t *>())
    return double(*number);
  if (auto *number = value->get_ptr<const Json::number_integer_t *>())
    return double(*number);
  if (auto *number = value->get_ptr<const Json::number_float_t *>())
    return *number;
  return std::nullopt;
}

std::optional<bool> sylvite::asBoolean(const Json *value) {
  if (value)
    if (auto *flag = value->get_ptr<const Json::boolean_t *>())
      return *flag;
  return std::nullopt;
}

std::optional<SmallVector<int64_t>> sylvite::asIntegers(const Json *value,
                                                        std::optional<int64_t> missing) {
  if (!value || !value->is_array())
    return std::nullopt;
  SmallVector<int64_t> out;
  for (const Json &element : *value) {
    std::optional<int64_t> integer = asInteger(&element);
    if (!integer && element.is_null())
      integer = missing;
    if (!integer)
      return std::nullopt;
    out.push_back(*integer);
  }
  return out;
}

std::string sylvite::describe(const Json &value) {
  std::string text;
  if (std::optional<StringRef> marked = asString(&value); marked && asNumber(&value))
    text = marked->drop_front().str();
  else
    text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80)
    text = text.substr(0, 77) + "...";
  return text;
}
