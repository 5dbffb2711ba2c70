// Walks a halide.pipeline and calls HalideBuilder. Decides nothing: every op has one meaning, in
// translateScalar() for bodies and in translateDirective() for schedules.
//
// Values of `index` are Halide's Int(32). Division of indices by arith.divui and arith.remui is
// Halide's Euclidean division, the form its bounds inference knows best: coordinates are not
// negative.
#include "compiler/codegen/Translate.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::halide;

namespace {

ElementType toElementType(Type type) {
  if (type.isIndex())
    return ElementType::Int32;
  if (type.isF16())
    return ElementType::Float16;
  if (type.isBF16())
    return ElementType::BFloat16;
  if (type.isF32())
    return ElementType::Float32;
  if (type.isF64())
    return ElementType::Float64;
  auto integer = cast<IntegerType>(type);
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return ElementType::Bool;
  case 8:
    return isUnsigned ? ElementType::UInt8 : ElementType::Int8;
  case 16:
    return isUnsigned ? ElementType::UInt16 : ElementType::Int16;
  case 32:
    return isUnsigned ? ElementType::UInt32 : ElementType::Int32;
  default:
    return isUnsigned ? ElementType::UInt64 : ElementType::Int64;
  }
}

bool isScalar(Type type) {
  if (isa<Float16Type, BFloat16Type, Float32Type, Float64Type, IndexType>(type))
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.isSigned())
    return false;
  unsigned width = integer.getWidth();
  return width == 1 || width == 8 || width == 16 || width == 32 || width == 64;
}

std::vector<int64_t> toShape(RankedTensorType type) {
  std::vector<int64_t> shape;
  for (int64_t extent : type.getShape())
    shape.push_back(ShapedType::isDynamic(extent) ? -1 : extent);
  return shape;
}

int64_t toPitch(RankedTensorType type) {
  int64_t pitch = getPitch(type);
  return ShapedType::isDynamic(pitch) ? -1 : pitch;
}

std::vector<std::string> toStrings(ArrayAttr names) {
  std::vector<std::string> result;
  for (StringRef name : names.getAsValueRange<StringAttr>())
    result.push_back(name.str());
  return result;
}

class Translator {
public:
  Translator(PipelineOp pipeline, HalideBuilder &builder) : pipeline(pipeline), builder(builder) {
    ScheduleOp schedule = pipeline.getSchedule();
    avoidsDivider = !schedule || schedule.getBody()->getOps<OverlapOp>().empty();
  }
  std::optional<TranslationError> run();

private:
  using Expr = HalideBuilder::Expr;

  bool translateFunc(FuncOp func);
  bool translateUpdate(UpdateOp update);
  /// Translates a body whose arguments stand for `arguments`; gives what it yields.
  bool translateBody(Block &block, const std::vector<Expr> &arguments, std::vector<Expr> &values,
                     std::vector<Expr> &coordinates);
  bool translateScalar(Operation *op);
  bool translateConstant(arith::ConstantOp op);
  bool translateCompare(arith::CmpIOp op);
  bool translateCompare(arith::CmpFOp op);
  bool translatePower(math::FPowIOp op);
  bool translateDirective(Operation *op);

  /// True where an index is computed from a reduction variable that the update's predicate
  /// restricts: the predicate, not Halide's bounds inference, keeps it inside the input.
  bool isGuarded(Value index);

  Expr bound(Attribute attribute);
  Expr get(Value value) { return values.lookup(value); }
  std::vector<Expr> get(ValueRange range) {
    std::vector<Expr> result;
    for (Value value : range)
      result.push_back(get(value));
    return result;
  }

  /// Records the results of an op, or the builder's error at its place.
  bool set(Operation *op, Expr value) { return set(op, std::vector<Expr>{value}); }
  bool set(Operation *op, const std::vector<Expr> &results) {
    if (!check(op))
      return false;
    for (auto [value, result] : llvm::zip(op->getResults(), results))
      values[value] = result;
    return true;
  }
  bool unary(Operation *op, UnaryOp kind) {
    return set(op, builder.unary(kind, get(op->getOperand(0))));
  }
  /// A coordinate divided by a positive number, rounded up: in the form that bounds inference knows; coordinates do not overflow.
  Expr ceilDiv(Expr coordinate, int64_t divisor) {
    Expr raised = builder.binary(BinaryOp::Add, coordinate, builder.constant(ElementType::Int32, divisor - 1));
    return builder.binary(BinaryOp::EuclideanDiv, raised, builder.constant(ElementType::Int32, divisor));
  }

  bool binary(Operation *op, BinaryOp kind) {
    return set(op, builder.binary(kind, get(op->getOperand(0)), get(op->getOperand(1))));
  }
  bool convert(Operation *op, bool fromUnsigned) {
    return set(op, builder.cast(toElementType(op->getResult(0).getType()), get(op->getOperand(0)),
                                fromUnsigned));
  }
  bool check(Operation *op) { return !builder.failed() || fail(op, builder.error()); }
  bool fail(Operation *op, const Twine &message) {
    error = TranslationError{op->getLoc(), message.str()};
    return false;
  }

  PipelineOp pipeline;
  HalideBuilder &builder;
  /// Quotients and roots that may be approximate are: the divider takes its time, unless other work goes on beside it.
  bool avoidsDivider;
  llvm::DenseMap<Value, Expr> values;
  /// Values of the update's body known to be guarded or not; reduction variables to begin with.
  llvm::DenseMap<Value, bool> guarded;
  std::optional<TranslationError> error;
};

} // namespace

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

bool Translator::isGuarded(Value index) {
  if (guarded.empty())
    return false;
  auto [it, isNew] = guarded.try_emplace(index, false);
  if (!isNew)
    return it->second;
  Operation *op = index.getDefiningOp();
  bool result = op && llvm::any_of(op->getOperands(), [&](Value v) { return isGuarded(v); });
  return guarded[index] = result;
}

bool Translator::translateConstant(arith::ConstantOp op) {
  ElementType type = toElementType(op.getType());
  if (auto integer = dyn_cast<IntegerAttr>(op.getValue())) {
    int64_t value = integer.getValue().getSExtValue();
    if (op.getType().isIndex() && (value > INT32_MAX || value < INT32_MIN))
      return fail(op, Twine("index ") + Twine(value) + " has more than 32 bits");
    return set(op, builder.constant(type, value));
  }
  return set(op, builder.constant(type, cast<FloatAttr>(op.getValue()).getValueAsDouble()));
}

bool Translator::translateCompare(arith::CmpIOp op) {
  CompareOp kind = CompareOp::Equal;
  switch (op.getPredicate()) {
  case arith::CmpIPredicate::eq:
    kind = CompareOp::Equal;
    break;
  case arith::CmpIPredicate::ne:
    kind = CompareOp::NotEqual;
    break;
  case arith::CmpIPredicate::slt:
    kind = CompareOp::Less;
    break;
  case arith::CmpIPredicate::sle:
    kind = CompareOp::LessEqual;
    break;
  case arith::CmpIPredicate::sgt:
    kind = CompareOp::Greater;
    break;
  case arith::CmpIPredicate::sge:
    kind = CompareOp::GreaterEqual;
    break;
  case arith::CmpIPredicate::ult:
    kind = CompareOp::UnsignedLess;
    break;
  case arith::CmpIPredicate::ule:
    kind = CompareOp::UnsignedLessEqual;
    break;
  case arith::CmpIPredicate::ugt:
    kind = CompareOp::UnsignedGreater;
    break;
  case arith::CmpIPredicate::uge:
    kind = CompareOp::UnsignedGreaterEqual;
    break;
  }
  return set(op, builder.compare(kind, get(op.getLhs()), get(op.getRhs())));
}

bool Translator::translateCompare(arith::CmpFOp op) {
  using P = arith::CmpFPredicate;
  Expr a = get(op.getLhs()), b = get(op.getRhs());
  auto compare = [&](CompareOp kind) { return builder.compare(kind, a, b); };
  auto negate = [&](Expr value) { return builder.unary(UnaryOp::Not, value); };
  auto either = [&](Expr x, Expr y) { return builder.binary(BinaryOp::Or, x, y); };
  auto unordered = [&] {
    return either(builder.unary(UnaryOp::IsNan, a), builder.unary(UnaryOp::IsNan, b));
  };
  switch (op.getPredicate()) {
  case P::AlwaysFalse:
    return set(op, builder.constant(ElementType::Bool, int64_t(0)));
  case P::AlwaysTrue:
    return set(op, builder.constant(ElementType::Bool, int64_t(1)));
  case P::OEQ:
    return set(op, compare(CompareOp::Equal));
  case P::OGT:
    return set(op, compare(CompareOp::Greater));
  case P::OGE:
    return set(op, compare(CompareOp::GreaterEqual));
  case P::OLT:
    return set(op, compare(CompareOp::Less));
  case P::OLE:
    return set(op, compare(CompareOp::LessEqual));
  case P::ONE:
    return set(op, either(compare(CompareOp::Less), compare(CompareOp::Greater)));
  case P::UNE:
    return set(op, compare(CompareOp::NotEqual));
  // An unordered comparison is the negation of the opposite ordered one.
  case P::UEQ:
    return set(op, negate(either(compare(CompareOp::Less), compare(CompareOp::Greater))));
  case P::UGT:
    return set(op, negate(compare(CompareOp::LessEqual)));
  case P::UGE:
    return set(op, negate(compare(CompareOp::Less)));
  case P::ULT:
    return set(op, negate(compare(CompareOp::GreaterEqual)));
  case P::ULE:
    return set(op, negate(compare(CompareOp::Greater)));
  case P::UNO:
    return set(op, unordered());
  case P::ORD:
    return set(op, negate(unordered()));
  }
  return fail(op, "unknown predicate");
}

bool Translator::translatePower(math::FPowIOp op) {
  Expr exponent = builder.cast(toElementType(op.getType()), get(op.getRhs()));
  return set(op, builder.binary(BinaryOp::Pow, get(op.getLhs()), exponent));
}

bool Translator::translateScalar(Operation *op) {
  for (Type type : llvm::concat<const Type>(llvm::to_vector(op->getOperandTypes()),
                                            llvm::to_vector(op->getResultTypes())))
    if (!isScalar(type))
      return fail(op, Twine("'") + op->getName().getStringRef() + "' has a type that kernels lack");
  bool index = op->getNumOperands() && op->getOperand(0).getType().isIndex();
  return llvm::TypeSwitch<Operation *, bool>(op)
      // halide
      .Case<AtOp>([&](AtOp at) {
        std::vector<bool> promised;
        for (Value index : at.getIndices())
          promised.push_back(isGuarded(index));
        return set(at, builder.at(at.getFunc().str(), get(at.getIndices()), promised));
      })
      .Case<ExtentOp>([&](ExtentOp extent) {
        return set(extent, builder.extent(extent.getBuffer().str(), extent.getDim()));
      })
      .Case<UndefOp>([&](UndefOp undef) { return set(undef, builder.undef(toElementType(undef.getType()))); })
      // arith
      .Case<arith::ConstantOp>([&](auto constant) { return translateConstant(constant); })
      .Case<arith::AddFOp, arith::AddIOp>([&](auto) { return binary(op, BinaryOp::Add); })
      .Case<arith::SubFOp, arith::SubIOp>([&](auto) { return binary(op, BinaryOp::Sub); })
      .Case<arith::MulFOp, arith::MulIOp>([&](auto) { return binary(op, BinaryOp::Mul); })
      .Case<arith::DivFOp>([&](arith::DivFOp quotient) {
        bool isQuick = avoidsDivider && bitEnumContainsAll(quotient.getFastmath(), arith::FastMathFlags::arcp);
        return binary(op, isQuick ? BinaryOp::QuickDiv : BinaryOp::Div);
      })
      .Case<arith::DivSIOp>([&](auto) { return binary(op, BinaryOp::Div); })
      .Case<arith::RemFOp, arith::RemSIOp>([&](auto) { return binary(op, BinaryOp::Rem); })
      .Case<arith::FloorDivSIOp>([&](auto) { return binary(op, BinaryOp::FloorDiv); })
      .Case<arith::CeilDivSIOp>([&](arith::CeilDivSIOp op) {
        APInt divisor;
        if (!index || !matchPattern(op.getRhs(), m_ConstantInt(&divisor)) ||
            !divisor.isStrictlyPositive())
          return binary(op, BinaryOp::CeilDiv);
        return set(op, ceilDiv(get(op.getLhs()), divisor.getSExtValue()));
      })
      .Case<arith::DivUIOp>(
          [&](auto) { return binary(op, index ? BinaryOp::EuclideanDiv : BinaryOp::UnsignedDiv); })
      .Case<arith::RemUIOp>(
          [&](auto) { return binary(op, index ? BinaryOp::EuclideanRem : BinaryOp::UnsignedRem); })
      .Case<arith::MaximumFOp, arith::MaxNumFOp, arith::MaxSIOp>(
          [&](auto) { return binary(op, BinaryOp::Max); })
      .Case<arith::MinimumFOp, arith::MinNumFOp, arith::MinSIOp>(
          [&](auto) { return binary(op, BinaryOp::Min); })
      .Case<arith::MaxUIOp>(
          [&](auto) { return binary(op, index ? BinaryOp::Max : BinaryOp::UnsignedMax); })
      .Case<arith::MinUIOp>(
          [&](auto) { return binary(op, index ? BinaryOp::Min : BinaryOp::UnsignedMin); })
      .Case<arith::AndIOp>([&](auto) { return binary(op, BinaryOp::And); })
      .Case<arith::OrIOp>([&](auto) { return binary(op, BinaryOp::Or); })
      .Case<arith::XOrIOp>([&](auto) { return binary(op, BinaryOp::Xor); })
      .Case<arith::ShLIOp>([&](auto) { return binary(op, BinaryOp::ShiftLeft); })
      .Case<arith::ShRSIOp>([&](auto) { return binary(op, BinaryOp::ShiftRight); })
      .Case<arith::ShRUIOp>([&](auto) { return binary(op, BinaryOp::UnsignedShiftRight); })
      .Case<arith::NegFOp>([&](auto) { return unary(op, UnaryOp::Negate); })
      .Case<arith::CmpIOp, arith::CmpFOp>([&](auto compare) { return translateCompare(compare); })
      .Case<arith::SelectOp>([&](arith::SelectOp select) {
        return set(select, builder.select(get(select.getCondition()), get(select.getTrueValue()),
                                          get(select.getFalseValue())));
      })
      .Case<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp, arith::FPToSIOp, arith::ExtSIOp,
            arith::TruncIOp, arith::IndexCastOp>([&](auto) { return convert(op, false); })
      .Case<arith::UIToFPOp, arith::ExtUIOp, arith::IndexCastUIOp>(
          [&](auto) { return convert(op, true); })
      .Case<arith::FPToUIOp>([&](auto) {
        // Through a wider signed integer: the bits of the unsigned result.
        ElementType type = toElementType(op->getResult(0).getType());
        if (type == ElementType::Int64)
          type = ElementType::UInt64;
        Expr wide = builder.cast(type == ElementType::UInt64 ? type : ElementType::Int64,
                                 get(op->getOperand(0)));
        return set(op, type == ElementType::UInt64 ? wide : builder.cast(type, wide));
      })
      .Case<arith::BitcastOp>([&](auto) {
        return set(
            op, builder.bitcast(toElementType(op->getResult(0).getType()), get(op->getOperand(0))));
      })
      // math
      .Case<math::AbsFOp, math::AbsIOp>([&](auto) { return unary(op, UnaryOp::Absolute); })
      .Case<math::FloorOp>([&](auto) { return unary(op, UnaryOp::Floor); })
      .Case<math::CeilOp>([&](auto) { return unary(op, UnaryOp::Ceil); })
      .Case<math::TruncOp>([&](auto) { return unary(op, UnaryOp::Trunc); })
      .Case<math::RoundEvenOp>([&](auto) { return unary(op, UnaryOp::RoundEven); })
      .Case<math::RoundOp>([&](auto) { return unary(op, UnaryOp::Round); })
      .Case<math::SqrtOp>([&](math::SqrtOp root) {
        bool isQuick = avoidsDivider && bitEnumContainsAll(root.getFastmath(), arith::FastMathFlags::afn);
        return unary(op, isQuick ? UnaryOp::QuickSqrt : UnaryOp::Sqrt);
      })
      .Case<math::RsqrtOp>([&](auto) { return unary(op, UnaryOp::ReciprocalSqrt); })
      .Case<math::ExpOp>([&](auto) { return unary(op, UnaryOp::Exp); })
      .Case<math::Exp2Op>([&](auto) { return unary(op, UnaryOp::Exp2); })
      .Case<math::ExpM1Op>([&](auto) { return unary(op, UnaryOp::ExpMinus1); })
      .Case<math::LogOp>([&](auto) { return unary(op, UnaryOp::Log); })
      .Case<math::Log2Op>([&](auto) { return unary(op, UnaryOp::Log2); })
      .Case<math::Log10Op>([&](auto) { return unary(op, UnaryOp::Log10); })
      .Case<math::Log1pOp>([&](auto) { return unary(op, UnaryOp::LogPlus1); })
      .Case<math::SinOp>([&](auto) { return unary(op, UnaryOp::Sin); })
      .Case<math::CosOp>([&](auto) { return unary(op, UnaryOp::Cos); })
      .Case<math::TanOp>([&](auto) { return unary(op, UnaryOp::Tan); })
      .Case<math::AsinOp>([&](auto) { return unary(op, UnaryOp::Asin); })
      .Case<math::AcosOp>([&](auto) { return unary(op, UnaryOp::Acos); })
      .Case<math::AtanOp>([&](auto) { return unary(op, UnaryOp::Atan); })
      .Case<math::SinhOp>([&](auto) { return unary(op, UnaryOp::Sinh); })
      .Case<math::CoshOp>([&](auto) { return unary(op, UnaryOp::Cosh); })
      .Case<math::TanhOp>([&](auto) { return unary(op, UnaryOp::Tanh); })
      .Case<math::AsinhOp>([&](auto) { return unary(op, UnaryOp::Asinh); })
      .Case<math::AcoshOp>([&](auto) { return unary(op, UnaryOp::Acosh); })
      .Case<math::AtanhOp>([&](auto) { return unary(op, UnaryOp::Atanh); })
      .Case<math::ErfOp>([&](auto) { return unary(op, UnaryOp::Erf); })
      .Case<math::IsNaNOp>([&](auto) { return unary(op, UnaryOp::IsNan); })
      .Case<math::IsInfOp>([&](auto) { return unary(op, UnaryOp::IsInf); })
      .Case<math::PowFOp>([&](auto) { return binary(op, BinaryOp::Pow); })
      .Case<math::Atan2Op>([&](auto) { return binary(op, BinaryOp::Atan2); })
      .Case<math::CopySignOp>([&](auto) { return binary(op, BinaryOp::CopySign); })
      .Case<math::FPowIOp>([&](auto power) { return translatePower(power); })
      .Case<math::FmaOp>([&](math::FmaOp fma) {
        Expr product = builder.binary(BinaryOp::Mul, get(fma.getA()), get(fma.getB()));
        return set(fma, builder.binary(BinaryOp::Add, product, get(fma.getC())));
      })
      .Case<math::ClampFOp>([&](math::ClampFOp clamp) {
        Expr raised = builder.binary(BinaryOp::Max, get(clamp.getValue()), get(clamp.getMin()));
        return set(clamp, builder.binary(BinaryOp::Min, raised, get(clamp.getMax())));
      })
      .Default([&](Operation *other) {
        return fail(other, Twine("'") + other->getName().getStringRef() +
                               "' has no translation to Halide");
      });
}

bool Translator::translateBody(Block &block, const std::vector<Expr> &arguments,
                               std::vector<Expr> &results, std::vector<Expr> &coordinates) {
  for (auto [argument, expr] : llvm::zip(block.getArguments(), arguments))
    values[argument] = expr;
  for (Operation &op : block.without_terminator())
    if (!translateScalar(&op))
      return false;
  auto yield = cast<YieldOp>(block.getTerminator());
  results = get(yield.getValues());
  coordinates = get(yield.getCoordinates());
  return true;
}

//===----------------------------------------------------------------------===//
// Funcs
//===----------------------------------------------------------------------===//

static std::vector<ElementType> toElementTypes(ArrayRef<Type> types) {
  std::vector<ElementType> result;
  for (Type type : types)
    result.push_back(toElementType(type));
  return result;
}

bool Translator::translateFunc(FuncOp func) {
  std::string name = func.getSymName().str();
  std::vector<Expr> vars = builder.func(name, toStrings(func.getVars()));
  std::vector<Expr> results, coordinates;
  if (!check(func) || !translateBody(*func.getBodyBlock(), vars, results, coordinates))
    return false;
  builder.define(name, toElementTypes(func.getElementTypes()), results);
  return check(func);
}

HalideBuilder::Expr Translator::bound(Attribute attribute) {
  if (auto extent = dyn_cast<ExtentAttr>(attribute)) {
    Expr elements = builder.extent(extent.getBuffer().getValue().str(), extent.getDim());
    return extent.getBlock() == 1 ? elements : ceilDiv(elements, extent.getBlock());
  }
  return builder.constant(ElementType::Int32, cast<IntegerAttr>(attribute).getInt());
}

bool Translator::translateUpdate(UpdateOp update) {
  std::vector<HalideBuilder::Reduction> reductions;
  for (auto [name, min, end] :
       llvm::zip(update.getReductionNames(), update.getMins(), update.getEnds()))
    reductions.push_back({name.str(), bound(min), bound(end)});
  std::vector<Expr> vars = builder.beginUpdate(update.getFunc().str(), reductions);
  std::vector<Expr> results, coordinates;
  if (!check(update))
    return false;
  if (update.hasPredicate()) {
    if (!translateBody(update.getWhere().front(), vars, results, coordinates))
      return false;
    builder.where(results.front());
    ValueRange restricted = update.getWhere().getArguments().take_back(reductions.size());
    for (auto [inPredicate, inBody] : llvm::zip(restricted, update.getReductionArguments()))
      guarded[inBody] = !inPredicate.use_empty();
  }
  if (!translateBody(*update.getBodyBlock(), vars, results, coordinates))
    return false;
  guarded.clear();
  builder.update(coordinates, results);
  return check(update);
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

bool Translator::translateDirective(Operation *op) {
  auto tail = [](TailStrategy strategy) { return static_cast<Tail>(strategy); };
  llvm::TypeSwitch<Operation *>(op)
      .Case<SplitOp>([&](SplitOp d) {
        builder.split(d.getFunc().str(), d.getStage(), d.getVar().str(), d.getOuter().str(),
                      d.getInner().str(), d.getFactor(), tail(d.getTail()));
      })
      .Case<FuseOp>([&](FuseOp d) {
        builder.fuse(d.getFunc().str(), d.getStage(), d.getOuter().str(), d.getInner().str(),
                     d.getFused().str());
      })
      .Case<ReorderOp>([&](ReorderOp d) {
        builder.reorder(d.getFunc().str(), d.getStage(), toStrings(d.getVars()));
      })
      .Case<VectorizeOp>([&](VectorizeOp d) {
        builder.vectorize(d.getFunc().str(), d.getStage(), d.getVar().str(),
                          d.getFactor().value_or(0), tail(d.getTail()));
      })
      .Case<UnrollOp>([&](UnrollOp d) {
        builder.unroll(d.getFunc().str(), d.getStage(), d.getVar().str(), d.getFactor().value_or(0),
                       tail(d.getTail()));
      })
      .Case<ParallelOp>([&](ParallelOp d) {
        builder.parallel(d.getFunc().str(), d.getStage(), d.getVar().str(),
                         d.getFactor().value_or(0), tail(d.getTail()));
      })
      .Case<SerialOp>(
          [&](SerialOp d) { builder.serial(d.getFunc().str(), d.getStage(), d.getVar().str()); })
      .Case<PartitionOp>([&](PartitionOp d) {
        builder.partition(d.getFunc().str(), d.getStage(), d.getVar().str(),
                          static_cast<LoopPartition>(d.getPolicy()));
      })
      .Case<PrefetchOp>([&](PrefetchOp d) {
        builder.prefetch(d.getFunc().str(), d.getStage(), d.getInput().str(), d.getVar().str(), d.getOffset(), d.getNear());
      })
      .Case<OverlapOp>([&](OverlapOp d) { builder.overlap(d.getFunc().str(), d.getVar().str(), d.getSteps()); })
      .Case<AtomicOp>([&](AtomicOp d) {
        builder.atomic(d.getFunc().str(), d.getStage(), d.getOverrideAssociativity());
      })
      .Case<RFactorOp>([&](RFactorOp d) {
        builder.rfactor(d.getFunc().str(), d.getStage(), toStrings(d.getPreserved()),
                        toStrings(d.getVars()), d.getIntermediate().str());
      })
      .Case<InOp>([&](InOp d) { builder.in(d.getInput().str(), d.getFunc().str(), d.getCopy().str()); })
      .Case<SpecializeOp>([&](SpecializeOp d) {
        static const CompareOp kinds[] = {CompareOp::Equal,   CompareOp::NotEqual,
                                          CompareOp::Less,    CompareOp::LessEqual,
                                          CompareOp::Greater, CompareOp::GreaterEqual};
        Expr value = builder.constant(ElementType::Int32, static_cast<int64_t>(d.getValue()));
        Expr condition = builder.compare(kinds[static_cast<int>(d.getComparison())],
                                         bound(d.getExtent()), value);
        builder.beginSpecialize(d.getFunc().str(), d.getStage(), condition);
        for (Operation &nested : *d.getBody())
          if (!translateDirective(&nested))
            return;
        builder.endSpecialize();
      })
      .Case<ComputeAtOp>([&](ComputeAtOp d) {
        builder.computeAt(d.getFunc().str(), d.getConsumer().str(), d.getVar().str());
      })
      .Case<StoreAtOp>([&](StoreAtOp d) {
        builder.storeAt(d.getFunc().str(), d.getConsumer().str(), d.getVar().str());
      })
      .Case<HoistStorageOp>([&](HoistStorageOp d) {
        builder.hoistStorage(d.getFunc().str(), d.getConsumer().str(), d.getVar().str());
      })
      .Case<ComputeRootOp>([&](ComputeRootOp d) { builder.computeRoot(d.getFunc().str()); })
      .Case<StoreRootOp>([&](StoreRootOp d) { builder.storeRoot(d.getFunc().str()); })
      .Case<StoreInOp>([&](StoreInOp d) {
        builder.storeIn(d.getFunc().str(), static_cast<Memory>(d.getMemory()));
      })
      .Case<BoundOp>([&](BoundOp d) {
        builder.bound(d.getFunc().str(), d.getVar().str(), d.getMin(), d.getExtent());
      })
      .Case<BoundExtentOp>([&](BoundExtentOp d) {
        builder.boundExtent(d.getFunc().str(), d.getVar().str(), d.getExtent());
      })
      .Case<AlignBoundsOp>([&](AlignBoundsOp d) {
        builder.alignBounds(d.getFunc().str(), d.getVar().str(), d.getModulus(), d.getOffset());
      })
      .Case<AlignStorageOp>([&](AlignStorageOp d) {
        builder.alignStorage(d.getFunc().str(), d.getVar().str(), d.getAlignment());
      })
      .Default([&](Operation *other) {
        fail(other,
             Twine("'") + other->getName().getStringRef() + "' has no translation to Halide");
      });
  return !error && check(op);
}

std::optional<TranslationError> Translator::run() {
  OutputOp output = pipeline.getOutput();
  SmallVector<RankedTensorType> types = output.getBufferTypes();
  std::vector<int64_t> pitches;
  for (RankedTensorType type : types)
    pitches.push_back(toPitch(type));
  builder.output(output.getFunc().str(), toShape(types.front()), pitches);
  if (!check(output))
    return error;
  for (Operation &op : *pipeline.getBody()) {
    bool translated = llvm::TypeSwitch<Operation *, bool>(&op)
                          .Case<InputOp>([&](InputOp input) {
                            RankedTensorType type = input.getBufferType();
                            builder.input(input.getSymName().str(),
                                          toElementType(type.getElementType()), toShape(type), toPitch(type));
                            return check(input);
                          })
                          .Case<FuncOp>([&](FuncOp func) { return translateFunc(func); })
                          .Case<UpdateOp>([&](UpdateOp update) { return translateUpdate(update); })
                          .Default(true);
    if (!translated)
      return error;
  }
  builder.endAlgorithm();
  if (!check(output))
    return error;
  if (ScheduleOp schedule = pipeline.getSchedule())
    for (Operation &directive : *schedule.getBody())
      if (!translateDirective(&directive))
        return error;
  return std::nullopt;
}

std::optional<TranslationError> sylvite::translatePipeline(PipelineOp pipeline,
                                                           HalideBuilder &builder) {
  return Translator(pipeline, builder).run();
}
