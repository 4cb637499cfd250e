//! Digits in groups, as people write numbers: `4111 1111 1111 1111`, `529.982.247-25`.

use super::Text;

/// Groups of digits with at most [`GAP`] bytes between two of them, as many as are looked at
/// together.
#[derive(Debug)]
pub(super) struct Run {
    groups: [Group; Self::MOST],
    count: usize,
    /// Whether more may follow than were read.
    cut: bool,
    /// Up to where it was read.
    end: usize,
}

/// One group of digits: from where to where.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    start: u16,
    end: u16,
}

/// A number that begins with some group of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'t> {
    pub(super) text: Text<'t>,
    groups: &'t [Group],
    /// The group before, if there is one.
    before: Option<Group>,
}

/// The digits of a number, one value each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    values: [u8; Self::MOST],
    count: usize,
}

/// The most bytes between two groups, as in ` - `.
const GAP: usize = 3;

// === impl Run ===

impl Run {
    const MOST: usize = 40;

    /// Groups that no number longer than this many needs.
    const LONGEST: usize = 20;

    /// The run that begins with the digit at `start`.
    pub(super) fn at(text: Text<'_>, start: usize) -> Self {
        let mut run =
            Self { groups: [Group::default(); Self::MOST], count: 0, cut: true, end: start };
        let mut at = start;
        while run.count < Self::MOST {
            let end = at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            run.groups[run.count] = Group::new(at, end);
            run.count += 1;
            run.end = end;
            let gap = text[end..].iter().take(GAP + 1).take_while(|byte| separates(**byte)).count();
            at = end + gap;
            if gap > GAP || gap == 0 || !text.get(at).is_some_and(u8::is_ascii_digit) {
                run.cut = false;
                break;
            }
        }
        run
    }

    /// How many of its groups can be judged with all that follows them.
    pub(super) fn settled(&self) -> usize {
        if self.cut { Self::MOST - Self::LONGEST } else { self.count }
    }

    /// Where to look for the next one.
    pub(super) fn next(&self) -> usize {
        if self.cut { self.groups[self.settled()].start() } else { self.end }
    }

    /// How many digits there are in all.
    pub(super) fn digits(&self) -> usize {
        self.groups[..self.count].iter().map(|group| group.len()).sum()
    }

    pub(super) fn number<'t>(&'t self, text: Text<'t>, index: usize) -> Number<'t> {
        let before = index.checked_sub(1).map(|before| self.groups[before]);
        Number { text, groups: &self.groups[index..self.count], before }
    }
}

pub(super) fn separates(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'\n' | b'\t')
}

// === impl Group ===

impl Group {
    /// Within a window, which is far smaller than the largest place that fits.
    fn new(start: usize, end: usize) -> Self {
        let [start, end] = [start, end].map(|at| u16::try_from(at).unwrap_or(u16::MAX));
        Self { start, end }
    }

    const fn start(self) -> usize {
        self.start as usize
    }

    const fn end(self) -> usize {
        self.end as usize
    }

    const fn len(self) -> usize {
        self.end() - self.start()
    }
}

// === impl Number ===

impl<'t> Number<'t> {
    /// Where it begins.
    pub(super) fn start(&self) -> usize {
        self.groups[0].start()
    }

    /// Where its first `count` groups end.
    pub(super) fn end(&self, count: usize) -> usize {
        self.groups[count - 1].end()
    }

    /// The number that begins with the next group, if there is one.
    pub(super) fn rest(&self) -> Option<Self> {
        let groups = self.groups.get(1..).filter(|groups| !groups.is_empty())?;
        Some(Self { text: self.text, groups, before: Some(self.groups[0]) })
    }

    /// How many groups there are.
    pub(super) fn count(&self) -> usize {
        self.groups.len()
    }

    /// How many digits the group at `index` has; none if there is no such group.
    pub(super) fn len(&self, index: usize) -> usize {
        self.groups.get(index).map_or(0, |group| group.len())
    }

    /// Whether its groups begin with these lengths.
    pub(super) fn is_shaped(&self, lengths: &[usize]) -> bool {
        self.groups.len() >= lengths.len()
            && lengths.iter().zip(self.groups).all(|(length, group)| *length == group.len())
    }

    /// What stands between the group at `index` and the next.
    pub(super) fn gap(&self, index: usize) -> &'t [u8] {
        match self.groups.get(index..index + 2) {
            Some([before, after]) => &self.text[before.end()..after.start()],
            _ => &[],
        }
    }

    /// Whether the first `count` groups have just these gaps between them.
    pub(super) fn has_gaps(&self, gaps: &[&str]) -> bool {
        gaps.iter().enumerate().all(|(index, gap)| self.gap(index) == gap.as_bytes())
    }

    /// Whether the gaps between the first `count` groups are all alike.
    pub(super) fn is_even(&self, count: usize) -> bool {
        (1..count.saturating_sub(1)).all(|index| self.gap(index) == self.gap(0))
    }

    /// The digits of the first `count` groups.
    pub(super) fn digits(&self, count: usize) -> Digits {
        let groups = self.groups.iter().take(count);
        Digits::of(groups.flat_map(|group| &self.text[group.start()..group.end()]).copied())
    }

    /// Whether no letter and no further digit touches the first `count` groups.
    pub(super) fn stands_alone(&self, count: usize) -> bool {
        let touches = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let before = self.start().checked_sub(1).and_then(|at| self.text.get(at));
        !before.is_some_and(touches) && !self.text.get(self.end(count)).is_some_and(touches)
    }

    /// Whether the first group is the fraction of a decimal number, or has one.
    pub(super) fn is_fraction(&self) -> bool {
        let dotted = self.before.is_some_and(|group| &self.text[group.end()..self.start()] == b".");
        dotted || self.gap(0) == b"."
    }

    /// Whether it stands alone and is no part of a longer chain such as a version or a part number:
    /// no digits follow or precede it over a single `-`, `.` or `/`.
    pub(super) fn is_whole(&self, count: usize) -> bool {
        let chains = |gap: &[u8]| matches!(gap, [b'-' | b'.' | b'/']);
        let before = self.before.map_or(&[][..], |group| &self.text[group.end()..self.start()]);
        self.stands_alone(count) && !chains(before) && !chains(self.gap(count - 1))
    }
}

// === impl Digits ===

impl Digits {
    const MOST: usize = 24;

    /// The digits among these bytes.
    pub(super) fn of(bytes: impl Iterator<Item = u8>) -> Self {
        let mut digits = Self { values: [0; Self::MOST], count: 0 };
        for byte in bytes.filter(u8::is_ascii_digit).take(Self::MOST) {
            digits.values[digits.count] = byte - b'0';
            digits.count += 1;
        }
        digits
    }

    pub(super) fn values(&self) -> &[u8] {
        &self.values[..self.count]
    }

    /// The number that some of them make.
    pub(super) fn number(&self, range: std::ops::Range<usize>) -> u64 {
        self.values()[range].iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
    }

    /// The sum of the first digits, each times its weight.
    pub(super) fn weighted(&self, weights: &[u32]) -> u32 {
        self.values().iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
    }

    /// Whether all are the same.
    pub(super) fn are_alike(&self) -> bool {
        self.values().windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Whether Luhn's sum over all of them ends in zero (ISO/IEC 7812-1, annex B).
    pub(super) fn pass_luhn(&self) -> bool {
        let places = self.values().iter().rev().enumerate();
        let counted = places.map(|(place, digit)| match (place % 2, *digit) {
            (0, digit) => digit,
            (_, digit) => digit * 2 - if digit > 4 { 9 } else { 0 },
        });
        counted.map(u32::from).sum::<u32>().is_multiple_of(10)
    }
}
