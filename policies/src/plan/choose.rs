//! The first choice among the ranked: usually the best, spread over those that are nearly as good,
//! and now and then one that is seldom seen.

use smallvec::SmallVec;

use super::rank::{Judge, Standing};
use crate::chance::Chance;
use crate::objective::{Tuning, Unit};

/// How much sooner one is explored of whom nothing is known.
const HASTE: f64 = 5.0;

/// Why the first choice is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// It is the best.
    Best,
    /// Another is better, but not by enough to change.
    Incumbent,
    /// It is nearly as good, and has less work pending.
    LessPending,
    /// It is seldom seen, and this request shows how it fares.
    Explored,
}

impl Picked {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "the best",
            Self::Incumbent => "was the first before, and none is better by enough to change",
            Self::LessPending => "nearly the best, with less work pending",
            Self::Explored => "seldom seen, to learn how it fares",
        }
    }
}

/// The first choice, by place among the ranked.
pub(super) struct Choice {
    pub(super) first: usize,
    /// The one by which the others were measured: the best, or the incumbent.
    pub(super) reference: usize,
    pub(super) picked: Picked,
}

/// Chooses among those that may be the first choice; `None` if nobody may.
pub(super) fn first(judge: &Judge<'_>, ranked: &[Standing], chance: &mut Chance) -> Option<Choice> {
    let (tuning, incumbent) = (&judge.strategy.tuning, judge.situation.incumbent);
    let best = ranked.iter().position(|standing| standing.may.route)?;
    let plain = Choice { first: best, reference: best, picked: Picked::Best };
    if judge.aim.unit == Unit::Place {
        return Some(plain);
    }
    if let Some(first) = explored(judge, ranked, best, chance) {
        return Some(Choice { first, picked: Picked::Explored, ..plain });
    }
    let reference = reference(ranked, best, tuning, incumbent);
    let first = lighter(ranked, reference, tuning, chance);
    let picked = if first != reference {
        Picked::LessPending
    } else if reference != best {
        Picked::Incumbent
    } else {
        Picked::Best
    };
    Some(Choice { first, reference, picked })
}

/// Now and then, somebody who was seldom seen and might be better: permitted, available, within the
/// bounds that are not relaxed, no dearer, and not known to be too slow. Nobody is explored whom the
/// caller put behind others. The less is known of somebody, the sooner his turn comes: a stranger's
/// share is [`HASTE`] times that of one who is nearly known, and all of them have no more than that.
fn explored(
    judge: &Judge<'_>,
    ranked: &[Standing],
    best: usize,
    chance: &mut Chance,
) -> Option<usize> {
    let tuning = &judge.strategy.tuning;
    let mut left = chance.fraction();
    if left >= tuning.exploration * HASTE {
        return None;
    }
    ranked.iter().enumerate().position(|(at, standing)| {
        let certain = standing.score.total - standing.score.measured;
        let might_be_better = at != best
            && standing.may.route
            && standing.samples < tuning.seldom
            && certain <= ranked[best].score.total
            && standing.class.may_be_explored_beside(ranked[best].class)
            && judge.is_hopeful(standing);
        if might_be_better {
            let unknown = f64::from(tuning.seldom) / f64::from(standing.samples + 1);
            left -= tuning.exploration * unknown.min(HASTE);
        }
        left < 0.0
    })
}

/// The incumbent, unless somebody is better by more than what measurements are worth.
fn reference(ranked: &[Standing], best: usize, tuning: &Tuning, incumbent: Option<usize>) -> usize {
    let Some(number) = incumbent else { return best };
    let held = ranked.iter().position(|standing| standing.number as usize == number);
    let Some(held) = held.filter(|at| ranked[*at].may.route) else { return best };
    let (standing, better) = (&ranked[held], &ranked[best]);
    let worth_it = standing.score.total - tuning.hysteresis * standing.score.measured;
    let stays = standing.class == better.class && worth_it <= better.score.total;
    if stays { held } else { best }
}

/// The power of two choices (Mitzenmacher, 2001): of two at random among the nearly equal, the one
/// with less pending work. It spreads load nearly as well as looking at all, and does not make
/// every gateway run to the same one.
fn lighter(ranked: &[Standing], reference: usize, tuning: &Tuning, chance: &mut Chance) -> usize {
    if !tuning.two_choices {
        return reference;
    }
    let measure = &ranked[reference];
    let allowance = tuning.near * measure.score.measured;
    let mut near = SmallVec::<[usize; 32]>::new();
    near.extend((0..ranked.len()).filter(|at| {
        let standing = &ranked[*at];
        standing.may.route
            && standing.class == measure.class
            && (standing.score.total - measure.score.total).abs() <= allowance
    }));
    if near.len() < 2 {
        return reference;
    }
    let one = chance.below(near.len());
    let other = (one + 1 + chance.below(near.len() - 1)) % near.len();
    let (one, other) = (near[one], near[other]);
    if ranked[other].pending < ranked[one].pending { other } else { one }
}
