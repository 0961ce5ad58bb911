//! The compression function of MD5 for several independent states at once, in the widest registers that the
//! CPU has.
//!
//! Owns the choice of the kernel. Unsafe code is here alone: the calls of functions that need a feature of the
//! CPU, and the loads of vectors. It does not own buffers, padding or lengths.
//!
//! Invariants:
//! - an [`Engine`] with vectors is only made after the CPU was asked for their feature: that is what makes the
//!   calls sound;
//! - all kernels give the same results.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod integer;
mod rounds;

pub(crate) type Block = [u8; 64];
pub(crate) type State = [u32; 4];

/// The largest number of lanes that [`Engine::compress`] takes.
pub(crate) const WIDTH: usize = 16;

/// The registers that lanes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Engine {
    /// Returns the engines of this CPU, from the slowest to the fastest one.
    pub fn all() -> Vec<Self> {
        let kinds = [
            (Kind::Integer, true),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, std::arch::is_x86_feature_detected!("avx2")),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, std::arch::is_x86_feature_detected!("avx512f")),
        ];
        kinds.into_iter().filter(|(_, has)| *has).map(|(kind, _)| Self(kind)).collect()
    }

    pub fn fastest() -> Self {
        Self::all().pop().unwrap_or(Self(Kind::Integer))
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Integer => "integer",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// Feeds every state its blocks. There are at most [`WIDTH`] states, as many slices as states, and as many
    /// blocks in each slice as in the first one.
    pub(crate) fn compress(self, states: &mut [State], blocks: &[&[Block]]) {
        match (self.0, states.len()) {
            (_, 0) => {}
            (_, 1) => compress_one(&mut states[0], blocks[0]),
            (_, 2) => padded(states, blocks, integer::compress::<2>),
            (Kind::Integer, _) => {
                for (states, blocks) in states.chunks_mut(2).zip(blocks.chunks(2)) {
                    self.compress(states, blocks);
                }
            }
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, 3..=avx2::GROUP) => padded(states, blocks, |states, blocks| {
                // SAFETY: this engine exists, so the CPU has AVX2.
                #[allow(unsafe_code)]
                unsafe {
                    avx2::compress(std::array::from_mut(states), [blocks]);
                }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, _) => padded::<WIDTH>(states, blocks, |states, blocks| {
                let [low, high] = states.as_chunks_mut().0 else { return };
                let mut groups = [*low, *high];
                let group = |g: usize| std::array::from_fn(|lane| blocks[avx2::GROUP * g + lane]);
                // SAFETY: this engine exists, so the CPU has AVX2.
                #[allow(unsafe_code)]
                unsafe {
                    avx2::compress(&mut groups, [group(0), group(1)]);
                }
                [*low, *high] = groups;
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, _) => padded(states, blocks, |states, blocks| {
                // SAFETY: this engine exists, so the CPU has AVX-512F.
                #[allow(unsafe_code)]
                unsafe {
                    avx512::compress(states, blocks);
                }
            }),
        }
    }
}

/// Feeds a state its blocks with the code that is the fastest for one lane.
pub(crate) fn compress_one(state: &mut State, blocks: &[Block]) {
    integer::compress(std::array::from_mut(state), [blocks]);
}

/// Calls a kernel of `N` lanes. Lanes without a state of their own get the blocks of the first one, and their
/// result is dropped.
#[inline(always)]
fn padded<const N: usize>(
    states: &mut [State],
    blocks: &[&[Block]],
    kernel: impl FnOnce(&mut [State; N], [&[Block]; N]),
) {
    let length = blocks[0].len();
    let lane = |nth: usize| blocks.get(nth).map_or(blocks[0], |blocks| &blocks[..length]);
    let mut lanes: [State; N] = std::array::from_fn(|nth| states.get(nth).copied().unwrap_or_default());
    kernel(&mut lanes, std::array::from_fn(lane));
    for (state, lane) in states.iter_mut().zip(lanes) {
        *state = lane;
    }
}
