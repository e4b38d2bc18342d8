//! First values of parameters: a pure function of the seed and the parameter's name, whatever the order of building.

use crate::Result;
use crate::graph::{Graph, Variables};
use crate::ops::Value;
use crate::tensor::layout::Layout;
use crate::tensor::{Tensor, TensorType};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// One value everywhere.
    Constant(f32),
    /// Normal with standard deviation sqrt(2 / fan_in), for layers followed by ReLU (He et al. 2015).
    He {
        /// Inputs that each output sums over.
        fan_in: usize,
    },
    /// Uniform in +-1/sqrt(fan_in): PyTorch's default for biases.
    Uniform {
        /// Inputs that each output sums over.
        fan_in: usize,
    },
    /// Normal with this standard deviation.
    Normal {
        /// Standard deviation.
        deviation: f32,
    },
    /// Uniform in +-bound.
    Within {
        /// Largest magnitude.
        bound: f32,
    },
}

impl Init {
    /// Normal with standard deviation sqrt(2 / fan_out), torchvision's choice for ResNet and VGG: fan_out is the number of outputs
    /// that each input of a convolution takes part in, kernel height * width * output channels.
    pub fn he_fan_out(fan_out: usize) -> Self {
        Self::Normal { deviation: (2.0 / fan_out as f64).sqrt() as f32 }
    }

    /// Uniform in +-sqrt(3 / fan_in): PyTorch's `kaiming_uniform_` with a = 1, torchvision's choice for feature pyramids.
    pub fn kaiming_uniform(fan_in: usize) -> Self {
        Self::Within { bound: (3.0 / fan_in as f64).sqrt() as f32 }
    }
}

/// A parameter or state of a network: name, type, first value, and its layout in files.
#[derive(Clone, Debug)]
pub struct ParameterSpec {
    /// Full name.
    pub name: String,
    /// Type on the device.
    pub ty: TensorType,
    /// First value.
    pub init: Init,
    /// How files order its dimensions.
    pub layout: Layout,
    /// Whether PyTorch's module counts batches beside this tensor: the running variance of a batch norm that is not frozen.
    pub counts_batches: bool,
    /// PyTorch's module has it as a buffer and not as a parameter: running statistics, and all of a frozen batch norm.
    pub buffer: bool,
}

impl ParameterSpec {
    /// Its type in files.
    pub fn file_type(&self) -> TensorType {
        self.layout.export(&Tensor::zeros(&self.ty)).ty()
    }
}

/// A network under construction: the graph, whether it is built for training, and its parameters so far.
pub struct Net<'a> {
    /// Where nodes go.
    pub graph: &'a mut Graph,
    /// Training mode: batch statistics and dropout.
    pub training: bool,
    /// Parameters and states in the order of building.
    pub specs: Vec<ParameterSpec>,
    /// Parameters become states.
    frozen: bool,
}

impl<'a> Net<'a> {
    /// A network that adds to `graph`.
    pub fn new(graph: &'a mut Graph, training: bool) -> Self {
        Self { graph, training, specs: Vec::new(), frozen: false }
    }

    /// Builds with `name` in front of all names.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        let Self { graph, training, specs, frozen } = self;
        graph.scope(name, |graph| within(graph, *training, *frozen, specs, build))
    }

    /// Builds a segment that is computed again in the backward pass; see [`Graph::checkpoint`].
    pub fn checkpoint<T>(&mut self, build: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        let Self { graph, training, specs, frozen } = self;
        graph.checkpoint(|graph| within(graph, *training, *frozen, specs, build))
    }

    /// Builds a part that is not trained: its parameters are states, of the same names, so that no gradient is computed for them.
    pub fn frozen<T>(&mut self, build: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        self.frozen_if(true, build)
    }

    /// [`Net::frozen`] if `frozen`, else as it was.
    pub fn frozen_if<T>(&mut self, frozen: bool, build: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        let before = self.frozen;
        self.frozen |= frozen;
        let built = build(self);
        self.frozen = before;
        built
    }

    /// A trained tensor under the open scopes; a state within [`Net::frozen`].
    pub fn parameter(&mut self, name: &str, ty: TensorType, init: Init, layout: Layout) -> Result<Value> {
        let value = match self.frozen {
            false => self.graph.parameter(name, ty.clone())?,
            true => self.graph.state(name, ty.clone())?,
        };
        self.register(value, ty, init, layout, false);
        Ok(value)
    }

    /// A tensor kept between runs but not trained.
    pub fn state(&mut self, name: &str, ty: TensorType, init: Init) -> Result<Value> {
        let value = self.graph.state(name, ty.clone())?;
        self.register(value, ty, init, Layout::Plain, true);
        Ok(value)
    }

    fn register(&mut self, value: Value, ty: TensorType, init: Init, layout: Layout, buffer: bool) {
        let name = self.graph.name(value).to_string();
        self.specs.push(ParameterSpec { name, ty, init, layout, counts_batches: false, buffer });
    }
}

/// Builds on `graph` as part of the network that `specs` belongs to.
fn within<T>(
    graph: &mut Graph,
    training: bool,
    frozen: bool,
    specs: &mut Vec<ParameterSpec>,
    build: impl FnOnce(&mut Net<'_>) -> Result<T>,
) -> Result<T> {
    let mut net = Net { graph, training, specs: std::mem::take(specs), frozen };
    let built = build(&mut net);
    *specs = net.specs;
    built
}

/// Memory for all parameters, side by side. For those who set them one by one.
pub fn reserve(variables: &Variables, specs: &[ParameterSpec]) -> Result<()> {
    variables.reserve(&specs.iter().map(|s| (s.name.clone(), s.ty.clone())).collect::<Vec<_>>())
}

/// Sets every parameter that does not exist yet to its first value.
pub fn initialise(variables: &Variables, specs: &[ParameterSpec], seed: u64) -> Result<()> {
    let mut missing: Vec<&ParameterSpec> = specs.iter().filter(|s| !variables.contains(&s.name)).collect();
    reserve(variables, specs)?;
    // Values depend on seed and name alone, so any thread may make any of them; the largest first, so that none is left to one thread at the end.
    missing.sort_by_key(|spec| std::cmp::Reverse(spec.ty.elements()));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // One value waits at most: what is made lies in host memory until it is uploaded.
        let (send, made) = mpsc::sync_channel(1);
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            let (send, next, missing) = (send.clone(), &next, &missing);
            scope.spawn(move || {
                while let Some(spec) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if send.send((&spec.name, first_value(spec, seed))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        made.into_iter().try_for_each(|(name, value)| variables.set(name, &value))
    })
}

/// The first value of one parameter.
pub fn first_value(spec: &ParameterSpec, seed: u64) -> Tensor {
    let n = spec.ty.elements();
    let mut random = Random::new(seed, &spec.name);
    let data = match spec.init {
        Init::Constant(v) => vec![v; n],
        Init::He { fan_in } => {
            let deviation = (2.0 / fan_in as f64).sqrt();
            (0..n).map(|_| (random.normal() * deviation) as f32).collect()
        }
        Init::Uniform { fan_in } => {
            let bound = 1.0 / (fan_in as f64).sqrt();
            (0..n).map(|_| ((2.0 * random.unit() - 1.0) * bound) as f32).collect()
        }
        Init::Normal { deviation } => (0..n).map(|_| (random.normal() * f64::from(deviation)) as f32).collect(),
        Init::Within { bound } => (0..n).map(|_| ((2.0 * random.unit() - 1.0) * f64::from(bound)) as f32).collect(),
    };
    Tensor::f32(&spec.ty.shape, data)
}

/// SplitMix64 started from a seed and a name (FNV-1a).
struct Random(u64);

impl Random {
    fn new(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Self(hash ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_values_depend_on_name_and_seed_alone() {
        let spec = |name: &str| ParameterSpec {
            name: name.into(),
            ty: TensorType::f32([3, 3, 64, 64]),
            init: Init::He { fan_in: 576 },
            layout: Layout::ConvWeight,
            counts_batches: false,
            buffer: false,
        };
        let a = first_value(&spec("a"), 1);
        assert_eq!(a, first_value(&spec("a"), 1));
        assert_ne!(a, first_value(&spec("b"), 1));
        assert_ne!(a, first_value(&spec("a"), 2));
        let n = a.as_f32().len() as f64;
        let mean = a.as_f32().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = a.as_f32().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-3 && (variance * 288.0 - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn what_is_built_frozen_is_a_state_of_the_same_name() {
        let mut graph = Graph::new();
        let mut net = Net::new(&mut graph, true);
        let add = |net: &mut Net<'_>, name: &str| {
            net.scope(name, |net| {
                net.parameter("weight", TensorType::f32([2]), Init::Constant(0.0), Layout::Plain).map(|_| ())
            })
        };
        net.frozen(|net| {
            net.frozen_if(false, |net| add(net, "a"))?;
            net.scope("inner", |net| add(net, "b"))
        })
        .unwrap();
        add(&mut net, "c").unwrap();
        let names: Vec<String> = net.specs.iter().map(|s| s.name.clone()).collect();
        assert_eq!(names, ["a.weight", "inner.b.weight", "c.weight"]);
        let trained: Vec<&str> = graph.parameters().into_iter().map(|v| graph.name(v)).collect();
        assert_eq!(trained, ["c.weight"]);
    }
}
