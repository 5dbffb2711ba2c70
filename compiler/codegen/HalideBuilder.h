// A facade over Halide's C++ API, for code that must not include Halide.h: expressions are handles,
// and no call throws. Halide's exceptions and warnings become an error string that the caller asks
// for with failed(); after an error every call does nothing. Translate.cpp drives it; it knows
// nothing of MLIR.
//
// Dimensions are in row-major order here (last is innermost) and are reversed inside, where
// Halide's first is innermost. One builder builds one pipeline and is used by one thread; different
// builders may work at the same time.
#ifndef SYLVITE_COMPILER_CODEGEN_HALIDEBUILDER_H
#define SYLVITE_COMPILER_CODEGEN_HALIDEBUILDER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sylvite {

/// A function that bitcode calls and machine code does not: f(address, bytes) asks for the line that many bytes beyond the address,
/// into the first cache.
inline constexpr char fetchNear[] = "sylvite_fetch_near";

/// What a value is to Halide. A bool takes one byte in memory; an index is Int32.
enum class ElementType : uint8_t {
  Bool,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt8,
  UInt16,
  UInt32,
  UInt64,
  Float16,
  BFloat16,
  Float32,
  Float64
};

/// Functions of one value. Those with a comment differ from Halide's function of that name.
enum class UnaryOp : uint8_t {
  Negate,
  Not,
  Absolute,
  Floor,
  Ceil,
  Trunc,
  RoundEven, ///< Halide's round: ties to even
  Round,     ///< ties away from zero
  Sqrt,
  QuickSqrt, ///< without the divider in float32: relative error 2e-7, zero for zero
  ReciprocalSqrt,
  Exp,
  Exp2,
  Log,
  Log2,
  Log10,
  ExpMinus1,
  LogPlus1, ///< accurate near zero
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Asinh,
  Acosh,
  Atanh,
  Tanh, ///< rational form, absolute error 2e-7; never libm's
  Erf,
  IsNan,
  IsInf
};

/// Functions of two values of one type. Integers are signed unless the name says Unsigned.
enum class BinaryOp : uint8_t {
  Add,
  Sub,
  Mul,
  Div, ///< rounds towards zero
  QuickDiv, ///< without the divider in float32: relative error 2e-7; a divisor beyond 2^126 counts as that
  Rem, ///< sign of the dividend
  FloorDiv,
  CeilDiv,
  EuclideanDiv,
  EuclideanRem, ///< Halide's own / and %: the remainder is not negative
  UnsignedDiv,
  UnsignedRem,
  Min,
  Max,
  UnsignedMin,
  UnsignedMax,
  And,
  Or,
  Xor,
  ShiftLeft,
  ShiftRight,
  UnsignedShiftRight,
  Pow,
  Atan2,
  CopySign
};

enum class CompareOp : uint8_t {
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  UnsignedLess,
  UnsignedLessEqual,
  UnsignedGreater,
  UnsignedGreaterEqual
};

enum class HalideOutput : uint8_t { Bitcode, Statement };

/// How loops treat a partial last tile; the order of halide::TailStrategy in the dialect.
enum class Tail : uint8_t {
  Auto,
  RoundUp,
  GuardWithIf,
  Predicate,
  PredicateLoads,
  PredicateStores,
  ShiftInwards,
  ShiftInwardsAndBlend,
  RoundUpAndBlend
};
/// The order of halide::MemoryType in the dialect.
enum class Memory : uint8_t { Auto, Heap, Stack, Register };
/// The order of halide::Partition in the dialect.
enum class LoopPartition : uint8_t { Auto, Never, Always };

/// The version of the Halide library, for cache keys and --version.
std::string halideVersion();

class HalideBuilder {
public:
  struct Expr {
    int32_t id = -1;
  };

  struct Reduction {
    std::string name;
    Expr min, end; ///< min <= name < end
  };

  /// `prefix` goes before the names of funcs and buffers inside Halide, whose names are unique per
  /// process: with a prefix of its own a pipeline gives the same object every time.
  explicit HalideBuilder(std::string prefix);
  ~HalideBuilder();
  HalideBuilder(const HalideBuilder &) = delete;
  HalideBuilder &operator=(const HalideBuilder &) = delete;

  /// True after a call failed; error() then says why.
  bool failed() const;
  const std::string &error() const;
  /// Halide's warnings so far that are not errors to us.
  const std::vector<std::string> &warnings() const;

  //===--- Algorithm ------------------------------------------------------===//

  /// An input buffer, row-major; -1 is an extent known at run time. So many elements as `pitch` are from one run of the innermost
  /// dimension to the next; as many as it has in a dense buffer.
  void input(const std::string &name, ElementType type, const std::vector<int64_t> &shape, int64_t pitch);
  /// A func of `vars`, and the expressions that stand for them.
  std::vector<Expr> func(const std::string &name, const std::vector<std::string> &vars);
  void define(const std::string &func, const std::vector<ElementType> &types,
              const std::vector<Expr> &values);
  /// Starts an update: gives the func's variables, then the reduction variables.
  std::vector<Expr> beginUpdate(const std::string &func, const std::vector<Reduction> &reductions);
  /// Restricts the reduction of the update that was begun last.
  void where(Expr predicate);
  /// Completes it. `coordinates` is empty for the point itself.
  void update(const std::vector<Expr> &coordinates, const std::vector<Expr> &values);
  /// Says which func will be the output, and the shape and the pitches of its buffers.
  void output(const std::string &func, const std::vector<int64_t> &shape, const std::vector<int64_t> &pitches);
  /// Follows the last func and update; the schedule comes after it.
  void endAlgorithm();

  /// The elements of an input or func at a point. Unsigned storage is given as signed bits. Where
  /// `promised` is set, an input's index is known to be within bounds, which Halide then need not
  /// prove.
  std::vector<Expr> at(const std::string &name, const std::vector<Expr> &indices,
                       const std::vector<bool> &promised = {});
  /// The extent of a dimension of an input or of the output.
  Expr extent(const std::string &buffer, int64_t dim);

  /// No value: a definition that is made of it stores nothing.
  Expr undef(ElementType type);
  Expr constant(ElementType type, int64_t value);
  Expr constant(ElementType type, double value);
  Expr unary(UnaryOp op, Expr value);
  Expr binary(BinaryOp op, Expr lhs, Expr rhs);
  Expr compare(CompareOp op, Expr lhs, Expr rhs);
  Expr select(Expr condition, Expr ifTrue, Expr ifFalse);
  /// Converts to `type`. `fromUnsigned` reads a signed integer's bits as unsigned first.
  Expr cast(ElementType type, Expr value, bool fromUnsigned = false);
  Expr bitcast(ElementType type, Expr value);

  //===--- Schedule -------------------------------------------------------===//

  void split(const std::string &func, unsigned stage, const std::string &var,
             const std::string &outer, const std::string &inner, int64_t factor, Tail tail);
  void fuse(const std::string &func, unsigned stage, const std::string &outer,
            const std::string &inner, const std::string &fused);
  void reorder(const std::string &func, unsigned stage, const std::vector<std::string> &vars);
  /// With a factor of 0 these take the whole loop.
  void vectorize(const std::string &func, unsigned stage, const std::string &var, int64_t factor,
                 Tail tail);
  void unroll(const std::string &func, unsigned stage, const std::string &var, int64_t factor,
              Tail tail);
  void parallel(const std::string &func, unsigned stage, const std::string &var, int64_t factor,
                Tail tail);
  void serial(const std::string &func, unsigned stage, const std::string &var);
  void partition(const std::string &func, unsigned stage, const std::string &var,
                 LoopPartition policy);
  /// Each iteration of `var` fetches what the one `offset` later reads of `input`, or writes, where that is the output `func`. Where
  /// it is `near`, what it reads comes into the first cache, and the input may be a func.
  void prefetch(const std::string &func, unsigned stage, const std::string &input,
                const std::string &var, int64_t offset, bool near);
  /// What an iteration of `var` makes of the func it computes is made while the next one computes that, a vector after each `steps`
  /// steps of its reduction.
  void overlap(const std::string &func, const std::string &var, int64_t steps);
  void atomic(const std::string &func, unsigned stage, bool overrideAssociativity);
  void rfactor(const std::string &func, unsigned stage, const std::vector<std::string> &preserved,
               const std::vector<std::string> &vars, const std::string &intermediate);
  void in(const std::string &input, const std::string &func, const std::string &copy);
  /// Directives until endSpecialize() go to the specialization of this stage.
  void beginSpecialize(const std::string &func, unsigned stage, Expr condition);
  void endSpecialize();

  void computeAt(const std::string &func, const std::string &consumer, const std::string &var);
  void storeAt(const std::string &func, const std::string &consumer, const std::string &var);
  void hoistStorage(const std::string &func, const std::string &consumer, const std::string &var);
  void computeRoot(const std::string &func);
  void storeRoot(const std::string &func);
  void storeIn(const std::string &func, Memory memory);
  void bound(const std::string &func, const std::string &var, int64_t min, int64_t extent);
  void boundExtent(const std::string &func, const std::string &var, int64_t extent);
  void alignBounds(const std::string &func, const std::string &var, int64_t modulus,
                   int64_t offset);
  void alignStorage(const std::string &func, const std::string &var, int64_t alignment);

  //===--- Code -----------------------------------------------------------===//

  /// Compiles the pipeline for a Halide target string to optimized LLVM bitcode, or to a statement, in the file
  /// `path`. The bitcode defines `symbol` and `symbol_argv` (int (void **arguments)); arguments are the inputs in
  /// order, then the output buffers.
  void compile(HalideOutput kind, const std::string &symbol, const std::string &target,
               const std::string &path);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace sylvite

#endif // SYLVITE_COMPILER_CODEGEN_HALIDEBUILDER_H
