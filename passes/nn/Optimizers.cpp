//===- Optimizers.cpp - updates of parameters ------------------------------===//
//
// One row per Keras optimizer: what it keeps, and its update as maps over all elements of a parameter. Formulas are
// those of keras.optimizers (3.x), whose names the options have; papers are named with the rows.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Training.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

using Slots = SmallVector<std::pair<StringRef, double>>;

struct Optimizer::Row {
  StringLiteral kind;
  Slots (*slots)(Settings);
  /// Scalars that depend on the step alone, computed once: `corrections` of the update.
  void (*begin)(Optimizer &, TensorBuilder &, SmallVectorImpl<Value> &kept);
  void (*update)(const Optimizer &, TensorBuilder &, ParameterUpdate &);
};

static void nothing(Optimizer &, TensorBuilder &, SmallVectorImpl<Value> &) {}

/// `x` where the scalar `condition` is 1, `y` where it is 0.
static Value choose(TensorBuilder &b, Value condition, Value x, Value y) {
  return b.map(ValueRange{condition, x, y}, [](ScalarBuilder &s, ValueRange v) {
    return s.selectGreater(v[0], s.constant(0.5, v[0]), v[1], v[2]);
  });
}
/// decay * average + (1 - decay) * x.
static Value average(ScalarBuilder &s, Value average, Value x, double decay) {
  return s.add(s.mul(s.constant(decay, x), average), s.mul(s.constant(1 - decay, x), x));
}
static Value average(TensorBuilder &b, Value before, Value x, double decay, bool squared = false) {
  return b.map(before, x, [&](ScalarBuilder &s, Value a, Value e) {
    return average(s, a, squared ? s.mul(e, e) : e, decay);
  });
}
/// 1 - decay^step.
static Value bias(ScalarBuilder &s, Value step, double decay) {
  return s.neg(s.expm1(s.mul(step, s.constant(std::log(decay), step))));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

ArrayRef<Optimizer::Row> Optimizer::rows() {
  // Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.
  auto sgd = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double momentum = o.settings.number("momentum", 0);
    if (momentum == 0) {
      u.parameter = b.map(ValueRange{u.parameter, u.gradient, o.rate}, [](ScalarBuilder &s, ValueRange v) {
        return s.sub(v[0], s.mul(v[2], v[1]));
      });
      return;
    }
    Value &velocity = u.slots["momentum"];
    velocity = b.map(ValueRange{velocity, u.gradient, o.rate}, [&](ScalarBuilder &s, ValueRange v) {
      return s.sub(s.mul(s.constant(momentum, v[0]), v[0]), s.mul(v[2], v[1]));
    });
    if (!o.settings.flag("nesterov")) {
      u.parameter = b.add(u.parameter, velocity);
      return;
    }
    u.parameter = b.map(ValueRange{u.parameter, velocity, u.gradient, o.rate}, [&](ScalarBuilder &s, ValueRange v) {
      return s.add(v[0], s.sub(s.mul(s.constant(momentum, v[1]), v[1]), s.mul(v[3], v[2])));
    });
  };
  // Kingma, Ba, arXiv 1412.6980; AMSGrad: Reddi et al., ICLR 2018; AdamW: Loshchilov, Hutter, arXiv 1711.05101.
  auto adamSlots = [](Settings s) {
    Slots slots{{"momentum", 0}, {"velocity", 0}};
    if (s.flag("amsgrad"))
      slots.push_back({"velocity_hat", 0});
    return slots;
  };
  auto adamBegin = [](Optimizer &o, TensorBuilder &b, SmallVectorImpl<Value> &) {
    double beta1 = o.settings.number("beta_1", 0.9), beta2 = o.settings.number("beta_2", 0.999);
    o.corrections = {b.map(o.rate, o.step, [&](ScalarBuilder &s, Value rate, Value step) {
      return s.div(s.mul(rate, s.sqrt(bias(s, step, beta2))), bias(s, step, beta1));
    })};
  };
  auto adam = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double epsilon = o.settings.number("epsilon", 1e-7);
    Value &m = u.slots["momentum"], &v = u.slots["velocity"];
    m = average(b, m, u.gradient, o.settings.number("beta_1", 0.9));
    v = average(b, v, u.gradient, o.settings.number("beta_2", 0.999), /*squared=*/true);
    Value scale = v;
    if (o.settings.flag("amsgrad"))
      scale = u.slots["velocity_hat"] = b.map(u.slots["velocity_hat"], v, &ScalarBuilder::maximum);
    u.parameter = b.map(ValueRange{u.parameter, m, scale, o.corrections[0]}, [&](ScalarBuilder &s, ValueRange e) {
      Value deviation = s.add(s.quickSqrt(e[2]), s.constant(epsilon, e[2]));
      return s.sub(e[0], s.quickDiv(s.mul(e[1], e[3]), deviation));
    });
  };
  // Kingma, Ba, arXiv 1412.6980, section 7.1.
  auto adamax = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double beta2 = o.settings.number("beta_2", 0.999), epsilon = o.settings.number("epsilon", 1e-7);
    Value &m = u.slots["momentum"], &norm = u.slots["norm"];
    m = average(b, m, u.gradient, o.settings.number("beta_1", 0.9));
    norm = b.map(norm, u.gradient, [&](ScalarBuilder &s, Value n, Value g) {
      return s.maximum(s.mul(s.constant(beta2, n), n), s.abs(g));
    });
    u.parameter = b.map(ValueRange{u.parameter, m, norm, o.corrections[0]}, [&](ScalarBuilder &s, ValueRange e) {
      return s.sub(e[0], s.quickDiv(s.mul(e[3], e[1]), s.add(e[2], s.constant(epsilon, e[2]))));
    });
  };
  auto adamaxBegin = [](Optimizer &o, TensorBuilder &b, SmallVectorImpl<Value> &) {
    double beta1 = o.settings.number("beta_1", 0.9);
    o.corrections = {b.map(o.rate, o.step, [&](ScalarBuilder &s, Value rate, Value step) {
      return s.div(rate, bias(s, step, beta1));
    })};
  };
  // Dozat, Incorporating Nesterov Momentum into Adam, 2016.
  auto nadamBegin = [](Optimizer &o, TensorBuilder &b, SmallVectorImpl<Value> &kept) {
    double beta1 = o.settings.number("beta_1", 0.9), beta2 = o.settings.number("beta_2", 0.999);
    auto momentumAt = [&](ScalarBuilder &s, Value step) {
      Value power = s.exp(s.mul(step, s.constant(std::log(0.96), step)));
      return s.mul(s.constant(beta1, step), s.sub(s.constant(1, step), s.mul(s.constant(0.5, step), power)));
    };
    Value now = b.map(o.step, momentumAt);
    Value next = b.map(o.step, [&](ScalarBuilder &s, Value t) { return momentumAt(s, s.add(t, s.constant(1, t))); });
    Value product = b.map(kept[0], now, &ScalarBuilder::mul);
    kept[0] = product;
    Value forMomentum = b.map(ValueRange{next, product}, [](ScalarBuilder &s, ValueRange v) {
      return s.div(v[0], s.sub(s.constant(1, v[0]), s.mul(v[1], v[0])));
    });
    Value forGradient = b.map(ValueRange{now, product}, [](ScalarBuilder &s, ValueRange v) {
      Value one = s.constant(1, v[0]);
      return s.div(s.sub(one, v[0]), s.sub(one, v[1]));
    });
    Value forVelocity = b.map(o.step, [&](ScalarBuilder &s, Value t) { return bias(s, t, beta2); });
    o.corrections = {forMomentum, forGradient, forVelocity};
  };
  auto nadam = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double epsilon = o.settings.number("epsilon", 1e-7);
    Value &m = u.slots["momentum"], &v = u.slots["velocity"];
    m = average(b, m, u.gradient, o.settings.number("beta_1", 0.9));
    v = average(b, v, u.gradient, o.settings.number("beta_2", 0.999), /*squared=*/true);
    SmallVector<Value> operands{u.parameter, m, v, u.gradient, o.rate};
    operands.append(o.corrections);
    u.parameter = b.map(operands, [&](ScalarBuilder &s, ValueRange e) {
      Value direction = s.add(s.mul(e[5], e[1]), s.mul(e[6], e[3]));
      Value deviation = s.add(s.quickSqrt(s.quickDiv(e[2], e[7])), s.constant(epsilon, e[2]));
      return s.sub(e[0], s.quickDiv(s.mul(direction, e[4]), deviation));
    });
  };
  // Tieleman, Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012; Graves, arXiv 1308.0850.
  auto rmspropSlots = [](Settings s) {
    Slots slots{{"velocity", 0}};
    if (s.number("momentum", 0) > 0)
      slots.push_back({"momentum", 0});
    if (s.flag("centered"))
      slots.push_back({"average_gradient", 0});
    return slots;
  };
  auto rmsprop = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double rho = o.settings.number("rho", 0.9), momentum = o.settings.number("momentum", 0),
           epsilon = o.settings.number("epsilon", 1e-7);
    Value &v = u.slots["velocity"];
    v = average(b, v, u.gradient, rho, /*squared=*/true);
    SmallVector<Value> operands{u.gradient, v, o.rate};
    if (o.settings.flag("centered"))
      operands.push_back(u.slots["average_gradient"] = average(b, u.slots["average_gradient"], u.gradient, rho));
    auto step = [&](ScalarBuilder &s, ValueRange e) {
      Value variance = e.size() > 3 ? s.sub(e[1], s.mul(e[3], e[3])) : e[1];
      return s.mul(s.mul(e[2], e[0]), s.rsqrt(s.add(variance, s.constant(epsilon, e[1]))));
    };
    if (momentum > 0) {
      Value &m = u.slots["momentum"];
      operands.push_back(m);
      m = b.map(operands, [&](ScalarBuilder &s, ValueRange e) {
        return s.add(s.mul(s.constant(momentum, e[0]), e.back()), step(s, e.drop_back()));
      });
      u.parameter = b.subtract(u.parameter, m);
      return;
    }
    operands.push_back(u.parameter);
    u.parameter = b.map(operands, [&](ScalarBuilder &s, ValueRange e) {
      return s.sub(e.back(), step(s, e.drop_back()));
    });
  };
  // Duchi, Hazan, Singer, JMLR 12, 2011.
  auto adagrad = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double epsilon = o.settings.number("epsilon", 1e-7);
    Value &sum = u.slots["accumulator"];
    sum = b.map(sum, u.gradient, [](ScalarBuilder &s, Value a, Value g) { return s.add(a, s.mul(g, g)); });
    u.parameter = b.map(ValueRange{u.parameter, u.gradient, sum, o.rate}, [&](ScalarBuilder &s, ValueRange e) {
      return s.sub(e[0], s.quickDiv(s.mul(e[3], e[1]), s.quickSqrt(s.add(e[2], s.constant(epsilon, e[2])))));
    });
  };
  auto adagradSlots = [](Settings s) { return Slots{{"accumulator", s.number("initial_accumulator_value", 0.1)}}; };
  // Zeiler, arXiv 1212.5701.
  auto adadelta = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double rho = o.settings.number("rho", 0.95), epsilon = o.settings.number("epsilon", 1e-7);
    Value &g2 = u.slots["accumulated_grad"], &d2 = u.slots["accumulated_delta_var"];
    g2 = average(b, g2, u.gradient, rho, /*squared=*/true);
    Value delta = b.map(ValueRange{u.gradient, d2, g2}, [&](ScalarBuilder &s, ValueRange e) {
      Value small = s.constant(epsilon, e[0]);
      return s.neg(s.quickDiv(s.mul(s.quickSqrt(s.add(e[1], small)), e[0]), s.quickSqrt(s.add(e[2], small))));
    });
    d2 = average(b, d2, delta, rho, /*squared=*/true);
    u.parameter = b.map(ValueRange{u.parameter, delta, o.rate}, [](ScalarBuilder &s, ValueRange e) {
      return s.add(e[0], s.mul(e[2], e[1]));
    });
  };
  // Chen et al., arXiv 2302.06675.
  auto lion = [](const Optimizer &o, TensorBuilder &b, ParameterUpdate &u) {
    double beta1 = o.settings.number("beta_1", 0.9), beta2 = o.settings.number("beta_2", 0.99);
    Value &m = u.slots["momentum"];
    u.parameter = b.map(ValueRange{u.parameter, m, u.gradient, o.rate}, [&](ScalarBuilder &s, ValueRange e) {
      Value direction = average(s, e[1], e[2], beta1), zero = s.constant(0, direction), one = s.constant(1, direction);
      Value sign = s.selectGreater(direction, zero, one, s.selectGreater(zero, direction, s.neg(one), zero));
      return s.sub(e[0], s.mul(e[3], sign));
    });
    m = average(b, m, u.gradient, beta2);
  };
  static const Row table[] = {
      {"adadelta", [](Settings) { return Slots{{"accumulated_grad", 0}, {"accumulated_delta_var", 0}}; }, nothing, adadelta},
      {"adagrad", adagradSlots, nothing, adagrad},
      {"adam", adamSlots, adamBegin, adam},
      {"adamax", [](Settings) { return Slots{{"momentum", 0}, {"norm", 0}}; }, adamaxBegin, adamax},
      {"adamw", adamSlots, adamBegin, adam},
      {"lion", [](Settings) { return Slots{{"momentum", 0}}; }, nothing, lion},
      {"nadam", [](Settings) { return Slots{{"momentum", 0}, {"velocity", 0}}; }, nadamBegin, nadam},
      {"rmsprop", rmspropSlots, nothing, rmsprop},
      {"sgd",
       [](Settings s) { return s.number("momentum", 0) ? Slots{{"momentum", 0}} : Slots(); }, nothing, sgd},
  };
  return table;
}

FailureOr<Optimizer> Optimizer::create(Location loc, Settings settings) {
  static constexpr StringLiteral schedules[] = {"CosineDecay", "ExponentialDecay", "InverseTimeDecay",
                                                "PiecewiseConstantDecay", "PolynomialDecay"};
  if (settings.has("schedule") && !llvm::is_contained(schedules, settings.part("schedule").kind()))
    return emitError(loc) << "learning-rate schedule '" << settings.part("schedule").kind()
                          << "' is not supported; supported: " << llvm::join(ArrayRef<StringLiteral>(schedules), ", ");
  auto isCount = [&](StringRef name, double least) {
    double value = settings.number(name, 0); // 0 is Keras's None
    return value == 0 || (value >= least && value == std::floor(value));
  };
  if (!isCount("gradient_accumulation_steps", 2))
    return emitError(loc) << "the optimizer has gradient_accumulation_steps "
                          << settings.number("gradient_accumulation_steps", 0) << "; supported: whole numbers from 2 on";
  if (!isCount("ema_overwrite_frequency", 1))
    return emitError(loc) << "the optimizer has ema_overwrite_frequency "
                          << settings.number("ema_overwrite_frequency", 0) << "; supported: whole numbers from 1 on";
  if (double momentum = settings.number("ema_momentum", 0.99); !(momentum >= 0 && momentum <= 1))
    return emitError(loc) << "the optimizer has ema_momentum " << momentum << "; supported: 0 to 1";
  std::string kinds;
  for (const Row &row : rows()) {
    if (row.kind == settings.kind())
      return Optimizer(settings, row);
    kinds += (kinds.empty() ? "" : ", ") + row.kind.str();
  }
  return emitError(loc) << "optimizer '" << settings.kind() << "' is not supported; supported: " << kinds;
}

static constexpr StringLiteral accumulatorSlot = "gradient_accumulator", movingAverageSlot = "average";

Slots Optimizer::slots() const {
  Slots slots = row->slots(settings);
  if (accumulationSteps() > 1)
    slots.push_back({accumulatorSlot, 0});
  if (auto average = averageSlot())
    slots.push_back({*average, 0});
  return slots;
}

std::optional<StringRef> Optimizer::averageSlot() const {
  return settings.flag("use_ema") ? std::optional<StringRef>(movingAverageSlot) : std::nullopt;
}

Slots Optimizer::scalars() const { return row->kind == "nadam" ? Slots{{"u_product", 1}} : Slots(); }

//===----------------------------------------------------------------------===//
// The step
//===----------------------------------------------------------------------===//

namespace {
/// Arithmetic on a count of steps, an i64.
struct CountBuilder {
  OpBuilder &b;
  Location loc;
  Value constant(int64_t value) const { return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value)); }
  Value add(Value x, int64_t y) const { return arith::AddIOp::create(b, loc, x, constant(y)); }
  /// `whenTrue` where `x` is a multiple of `y`, else `whenFalse`: floats.
  Value selectMultiple(Value x, int64_t y, double whenTrue, double whenFalse) const {
    Value rest = arith::RemSIOp::create(b, loc, x, constant(y));
    return selectZero(rest, whenTrue, whenFalse);
  }
  Value selectZero(Value x, double whenTrue, double whenFalse) const {
    Value isZero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, constant(0));
    auto number = [&](double value) -> Value { return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)); };
    return arith::SelectOp::create(b, loc, isZero, number(whenTrue), number(whenFalse));
  }
  Value toFloat(Value x) const { return arith::SIToFPOp::create(b, loc, b.getF32Type(), x); }
};
} // namespace

static Value mapCount(TensorBuilder &b, Value count, function_ref<Value(CountBuilder, Value)> function) {
  return MapOp::create(b, ValueRange{count}, [&](OpBuilder &builder, Location loc, ValueRange v) {
    return function(CountBuilder{builder, loc}, v[0]);
  });
}

Value Optimizer::countUpdates(TensorBuilder &b, Value iterations) const {
  int64_t steps = accumulationSteps();
  if (steps <= 1)
    return iterations;
  return mapCount(b, iterations, [&](CountBuilder c, Value n) -> Value {
    return arith::DivSIOp::create(c.b, c.loc, n, c.constant(steps));
  });
}

void Optimizer::begin(TensorBuilder &b, Value rateNow, Value iterations, SmallVectorImpl<Value> &kept) {
  rate = rateNow;
  Value updates = countUpdates(b, iterations);
  step = mapCount(b, updates, [](CountBuilder c, Value n) { return c.toFloat(c.add(n, 1)); });
  if (int64_t steps = accumulationSteps(); steps > 1)
    isUpdate = mapCount(b, iterations, [&](CountBuilder c, Value n) { return c.selectMultiple(c.add(n, 1), steps, 1, 0); });
  if (averageSlot()) {
    double momentum = settings.number("ema_momentum", 0.99);
    int64_t frequency = settings.number("ema_overwrite_frequency", 0);
    // The first update makes the average; steps before it, where several make one update, too.
    averageMomentum = mapCount(b, updates, [&](CountBuilder c, Value n) { return c.selectZero(n, 0, momentum); });
    if (frequency > 0)
      isOverwrite = mapCount(b, updates, [&](CountBuilder c, Value n) {
        return c.selectMultiple(c.add(n, 1), frequency, 1, 0);
      });
  }
  SmallVector<Value> before(kept.begin(), kept.end());
  row->begin(*this, b, kept);
  for (auto [now, old] : llvm::zip_equal(kept, before))
    now = isUpdate ? choose(b, isUpdate, now, old) : now;
}

/// gradient * limit / max(norm, limit), where `square` is the norm's.
static Value limitNorm(TensorBuilder &b, Value gradient, Value square, double most) {
  return b.map(gradient, square, [&](ScalarBuilder &s, Value g, Value sum) {
    Value bound = s.constant(most, g);
    return s.div(s.mul(g, bound), s.maximum(s.sqrt(sum), bound));
  });
}
static Value sumOfSquares(TensorBuilder &b, Value gradient) { return b.reduce(ReduceKind::SumSquare, gradient, {0}); }

void Optimizer::prepareGradient(TensorBuilder &b, ParameterUpdate &update) const {
  Value &gradient = update.gradient;
  if (isUpdate) {
    Value &kept = update.slots[accumulatorSlot];
    Value total = b.add(gradient, kept);
    gradient = b.map(total, [&](ScalarBuilder &s, Value g) { return s.div(g, s.constant(accumulationSteps(), g)); });
    kept = b.map(total, isUpdate, [](ScalarBuilder &s, Value sum, Value ends) {
      return s.selectGreater(ends, s.constant(0.5, ends), s.constant(0, sum), sum);
    });
  }
  if (double most = settings.number("clipvalue", 0); most > 0)
    gradient = b.map(gradient, [&](ScalarBuilder &s, Value g) { return s.clamp(g, -most, most); });
  if (double most = settings.number("clipnorm", 0); most > 0)
    gradient = limitNorm(b, gradient, sumOfSquares(b, gradient), most);
}

void Optimizer::clipTogether(TensorBuilder &b, MutableArrayRef<Value> gradients) const {
  Value total;
  for (Value gradient : gradients)
    total = total ? b.add(total, sumOfSquares(b, gradient)) : sumOfSquares(b, gradient);
  for (Value &gradient : gradients)
    gradient = limitNorm(b, gradient, total, settings.number("global_clipnorm", 0));
}

void Optimizer::update(TensorBuilder &b, ParameterUpdate &update) const {
  ParameterUpdate before = update;
  // Decoupled from the gradient, as in AdamW; Keras gives it to every optimizer.
  if (double decay = settings.number("weight_decay", row->kind == "adamw" ? 0.004 : 0))
    update.parameter = b.map(update.parameter, rate, [&](ScalarBuilder &s, Value p, Value r) {
      return s.sub(p, s.mul(s.mul(p, s.constant(decay, p)), r));
    });
  row->update(*this, b, update);
  if (isUpdate) {
    update.parameter = choose(b, isUpdate, update.parameter, before.parameter);
    for (auto &[slot, initial] : row->slots(settings))
      update.slots[slot] = choose(b, isUpdate, update.slots[slot], before.slots[slot]);
  }
  if (auto slot = averageSlot()) {
    Value &average = update.slots[*slot];
    average = b.map(ValueRange{average, update.parameter, averageMomentum}, [](ScalarBuilder &s, ValueRange v) {
      return s.add(s.mul(v[2], v[0]), s.mul(s.sub(s.constant(1, v[2]), v[2]), v[1]));
    });
    if (isOverwrite)
      update.parameter = choose(b, isOverwrite, average, update.parameter);
  }
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

Value Optimizer::scheduledRate(TensorBuilder &b, Value iterations) const {
  if (!settings.has("schedule"))
    return {};
  // Keras's schedules count steps, also where several make one update.
  Value step = mapCount(b, iterations, [](CountBuilder c, Value n) { return c.toFloat(n); });
  Settings schedule = settings.part("schedule");
  double initial = schedule.number("initial_learning_rate", 1e-3), steps = schedule.number("decay_steps", 1),
         rate = schedule.number("decay_rate", 1), alpha = schedule.number("alpha", 0);
  bool staircase = schedule.flag("staircase");
  StringRef kind = schedule.kind();
  return b.map(step, [&](ScalarBuilder &s, Value t) -> Value {
    auto constant = [&](double value) { return s.constant(value, t); };
    Value progress = s.div(t, constant(steps));
    if (staircase)
      progress = s.floor(progress);
    if (kind == "ExponentialDecay")
      return s.mul(constant(initial), s.exp(s.mul(progress, constant(std::log(rate)))));
    if (kind == "InverseTimeDecay")
      return s.div(constant(initial), s.add(constant(1), s.mul(constant(rate), progress)));
    if (kind == "PolynomialDecay") {
      double end = schedule.number("end_learning_rate", 1e-4), power = schedule.number("power", 1);
      Value length = constant(steps), now = t;
      if (schedule.flag("cycle"))
        length = s.mul(length, s.maximum(constant(1), s.neg(s.floor(s.neg(progress)))));
      else
        now = s.minimum(t, length);
      Value rest = s.sub(constant(1), s.div(now, length));
      return s.add(s.mul(constant(initial - end), power == 1 ? rest : s.pow(rest, constant(power))), constant(end));
    }
    auto cosine = [&](Value done) {
      Value half = s.mul(constant(0.5), s.add(constant(1), s.cos(s.mul(constant(M_PI), done))));
      return s.add(s.mul(constant(1 - alpha), half), constant(alpha));
    };
    if (kind == "CosineDecay") {
      double warmup = schedule.number("warmup_steps", 0), target = schedule.number("warmup_target", initial);
      bool warms = schedule.has("warmup_target") && warmup > 0;
      Value now = warms ? s.relu(s.sub(t, constant(warmup))) : t;
      Value decayed = s.mul(constant(target), cosine(s.div(s.minimum(now, constant(steps)), constant(steps))));
      if (!warms)
        return decayed;
      Value rising = s.add(constant(initial), s.mul(constant((target - initial) / warmup), t));
      return s.selectGreater(constant(warmup), t, rising, decayed);
    }
    if (kind == "PiecewiseConstantDecay") {
      SmallVector<double> boundaries = schedule.numbers("boundaries"), values = schedule.numbers("values");
      Value result = constant(values.back());
      for (size_t i = boundaries.size(); i-- > 0;)
        result = s.selectGreater(t, constant(boundaries[i]), result, constant(values[i]));
      return result;
    }
    llvm_unreachable("create has checked the schedule");
  });
}
