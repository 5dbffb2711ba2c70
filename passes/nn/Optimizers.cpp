//===- Optimizers.cpp - updates of parameters ------------------------------===//
//
// One row per Keras optimizer: what it keeps, and its update as maps over all elements of a parameter. Formulas are
// those of keras.optimizers (3.x), whose names the options have; papers are named with the rows.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Training.h"

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
      Value deviation = s.add(s.sqrt(e[2]), s.constant(epsilon, e[2]));
      return s.sub(e[0], s.div(s.mul(e[1], e[3]), deviation));
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
      return s.sub(e[0], s.div(s.mul(e[3], e[1]), s.add(e[2], s.constant(epsilon, e[2]))));
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
      Value deviation = s.add(s.sqrt(s.div(e[2], e[7])), s.constant(epsilon, e[2]));
      return s.sub(e[0], s.div(s.mul(direction, e[4]), deviation));
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
      return s.sub(e[0], s.div(s.mul(e[3], e[1]), s.sqrt(s.add(e[2], s.constant(epsilon, e[2])))));
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
      return s.neg(s.div(s.mul(s.sqrt(s.add(e[1], small)), e[0]), s.sqrt(s.add(e[2], small))));
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
  std::string kinds;
  for (const Row &row : rows()) {
    if (row.kind == settings.kind())
      return Optimizer(settings, row);
    kinds += (kinds.empty() ? "" : ", ") + row.kind.str();
  }
  return emitError(loc) << "optimizer '" << settings.kind() << "' is not supported; supported: " << kinds;
}

Slots Optimizer::slots() const { return row->slots(settings); }

Slots Optimizer::scalars() const { return row->kind == "nadam" ? Slots{{"u_product", 1}} : Slots(); }

void Optimizer::begin(TensorBuilder &b, Value rateNow, Value stepNow, SmallVectorImpl<Value> &kept) {
  rate = rateNow;
  step = stepNow;
  row->begin(*this, b, kept);
}

void Optimizer::clip(TensorBuilder &b, MutableArrayRef<Value> gradients) const {
  auto squares = [&](Value gradient) { return b.reduce(ReduceKind::SumSquare, gradient, {0}); };
  // gradient * limit / max(norm, limit)
  auto limit = [&](Value gradient, Value square, double most) {
    return b.map(gradient, square, [&](ScalarBuilder &s, Value g, Value sum) {
      Value bound = s.constant(most, g);
      return s.div(s.mul(g, bound), s.maximum(s.sqrt(sum), bound));
    });
  };
  if (settings.has("clipvalue")) {
    double most = settings.number("clipvalue", 0);
    for (Value &gradient : gradients)
      gradient = b.map(gradient, [&](ScalarBuilder &s, Value g) { return s.clamp(g, -most, most); });
  }
  if (settings.has("clipnorm"))
    for (Value &gradient : gradients)
      gradient = limit(gradient, squares(gradient), settings.number("clipnorm", 0));
  if (settings.has("global_clipnorm") && !gradients.empty()) {
    Value total;
    for (Value gradient : gradients)
      total = total ? b.add(total, squares(gradient)) : squares(gradient);
    for (Value &gradient : gradients)
      gradient = limit(gradient, total, settings.number("global_clipnorm", 0));
  }
}

void Optimizer::update(TensorBuilder &b, ParameterUpdate &update) const {
  // Decoupled from the gradient, as in AdamW; Keras gives it to every optimizer.
  if (double decay = settings.number("weight_decay", row->kind == "adamw" ? 0.004 : 0))
    update.parameter = b.map(update.parameter, rate, [&](ScalarBuilder &s, Value p, Value r) {
      return s.sub(p, s.mul(s.mul(p, s.constant(decay, p)), r));
    });
  row->update(*this, b, update);
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

Value Optimizer::scheduledRate(TensorBuilder &b, Value step) const {
  if (!settings.has("schedule"))
    return {};
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
