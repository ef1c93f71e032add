use std::sync::OnceLock;

/// The environment variable that forces an instruction set, for measuring: `portable`, `avx2`, `avx512` or `neon`.
const VARIABLE: &str = "SARDONYX_TREES_ISA";

/// The vector instructions that batches are evaluated with. The numbers are the same with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// What every CPU of the target has.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F, BW, VL, DQ and VBMI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// arm64.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    /// All that this build knows, the best one last.
    pub const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
    ];

    /// The best that this CPU has, unless the environment variable `SARDONYX_TREES_ISA` names another one that it has.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<InstructionSet> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let mut available = Self::ALL.iter().copied().filter(|set| set.is_available());
            let forced = std::env::var(VARIABLE).ok();
            let mut wanted = available.clone().filter(|set| Some(set.name()) == forced.as_deref());
            wanted
                .next_back()
                .or_else(|| available.next_back())
                .unwrap_or(Self::Portable)
        })
    }

    /// Its name, as in the environment variable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vbmi")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        }
    }

    /// From how many rows on a program for 64 of them is worth it.
    pub(crate) fn least_ranked_rows(self) -> usize {
        match self {
            Self::Portable => 32,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 18,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 16,
        }
    }

    /// Whether many tests of a row can be made at once.
    pub(crate) const fn has_row_kernels(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => true,
            _ => false,
        }
    }

    /// Whether registers have 64 bytes. Then numbers are ranked many at a time, the keys of a row are picked in few instructions, and a part of a
    /// program is computed so fast that it had better be read for more rows of a large batch.
    pub(crate) const fn has_wide_registers(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => true,
            _ => false,
        }
    }

    /// How many steps of a walk take as long as one branch of a program, both for the same rows; see `make bench SUITE=trees`.
    pub(crate) fn steps_per_branch(self) -> f64 {
        match self {
            Self::Portable => 0.035,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 0.016,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 0.013,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 0.03,
        }
    }
}
