//! How delays are spread around their mean (tc-netem(8), `distribution`).
//!
//! netem reads a table of the inverse distribution at a random place; the same function is computed here. A value of x
//! means a delay of TIME + x JITTER, and lies within ±4, because netem's tables hold sixteen bits of 1/8192 each.

use std::fmt;

/// netem's tables end here: 32767 / 8192.
const MOST: f64 = 32_767.0 / 8192.0;

/// How a delay is drawn from TIME and JITTER.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Distribution {
    /// Anything from TIME - JITTER to TIME + JITTER.
    #[default]
    Uniform,
    /// Gauss's, with JITTER as its standard deviation.
    Normal,
    /// Pareto's with a shape of 3: most packets come early, few come very late.
    Pareto,
    /// A quarter normal and three quarters Pareto: what was seen on real paths.
    ParetoNormal,
}

impl Distribution {
    /// The name that netem gives it.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Uniform => "uniform",
            Distribution::Normal => "normal",
            Distribution::Pareto => "pareto",
            Distribution::ParetoNormal => "paretonormal",
        }
    }

    /// Every one.
    pub const ALL: [Distribution; 4] =
        [Distribution::Uniform, Distribution::Normal, Distribution::Pareto, Distribution::ParetoNormal];

    /// The value below which a share of `draw` / 2^32 of all values lie, in units of JITTER.
    pub(crate) fn quantile(self, draw: u32) -> f64 {
        let share = (f64::from(draw) + 0.5) / 4_294_967_296.0;
        let value = match self {
            Distribution::Uniform => 2.0 * share - 1.0,
            Distribution::Normal => normal(share),
            Distribution::Pareto => pareto(share),
            Distribution::ParetoNormal => 0.25 * normal(share) + 0.75 * pareto(share),
        };
        value.clamp(-MOST, MOST)
    }
}

/// The inverse of Pareto's distribution with shape 3 and scale 1, moved to a mean of 0 and scaled by 4/3 as netem's
/// table is: its mean was 3/2, and 3/4 its variance.
fn pareto(share: f64) -> f64 {
    (1.0 / (1.0 - share).cbrt() - 1.5) * 4.0 / 3.0
}

/// The inverse of the normal distribution, by P. J. Acklam's rational approximations; off by less than 1.15e-9 of itself.
fn normal(share: f64) -> f64 {
    const TAIL: f64 = 0.02425;
    if share < TAIL {
        tail((-2.0 * share.ln()).sqrt())
    } else if share > 1.0 - TAIL {
        -tail((-2.0 * (1.0 - share).ln()).sqrt())
    } else {
        let offset = share - 0.5;
        let square = offset * offset;
        let above = polynomial(
            square,
            &[
                -3.969_683_028_665_376e1,
                2.209_460_984_245_205e2,
                -2.759_285_104_469_687e2,
                1.383_577_518_672_69e2,
                -3.066_479_806_614_716e1,
                2.506_628_277_459_239,
            ],
        );
        let below = polynomial(
            square,
            &[
                -5.447_609_879_822_406e1,
                1.615_858_368_580_409e2,
                -1.556_989_798_598_866e2,
                6.680_131_188_771_972e1,
                -1.328_068_155_288_572e1,
                1.0,
            ],
        );
        offset * above / below
    }
}

fn tail(root: f64) -> f64 {
    let above = polynomial(
        root,
        &[
            -7.784_894_002_430_293e-3,
            -3.223_964_580_411_365e-1,
            -2.400_758_277_161_838,
            -2.549_732_539_343_734,
            4.374_664_141_464_968,
            2.938_163_982_698_783,
        ],
    );
    let below = polynomial(
        root,
        &[
            7.784_695_709_041_462e-3,
            3.224_671_290_700_398e-1,
            2.445_134_137_142_996,
            3.754_408_661_907_416,
            1.0,
        ],
    );
    above / below
}

/// Horner's rule, the highest power first.
fn polynomial(at: f64, factors: &[f64]) -> f64 {
    factors.iter().fold(0.0, |sum, factor| sum * at + factor)
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
