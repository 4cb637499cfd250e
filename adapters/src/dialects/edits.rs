//! Changes to a JSON text that leave everything else in it as it was written.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use isthmus_inference::outline::Member;

use crate::pieces::Pieces;

/// One change to the text.
pub(crate) struct Edit {
    pub(crate) place: Range<usize>,
    pub(crate) text: Cow<'static, str>,
}

/// The edits that remove members, each with the comma before it, or with the one behind it where
/// nothing is left before. They never overlap. An object must keep one member at least.
pub(crate) fn take_out(members: &[Member], gone: &[&Member]) -> Vec<Edit> {
    // By places, because a caller may write a member a million times.
    let mut gone: Vec<_> = gone.iter().map(|member| member.key.start).collect();
    gone.sort_unstable();
    let mut kept = false;
    let mut edits = Vec::new();
    for (position, member) in members.iter().enumerate() {
        if gone.binary_search(&member.key.start).is_err() {
            kept = true;
            continue;
        }
        let place = match (kept, position.checked_sub(1), members.get(position + 1)) {
            (true, Some(before), _) => members[before].value.end..member.value.end,
            (_, _, Some(next)) => member.key.start - 1..next.key.start - 1,
            _ => continue,
        };
        edits.push(Edit { place, text: "".into() });
    }
    edits
}

/// So many edits leave what is between them as it is; of more, that is too short to be worth a piece.
const FEW: usize = 8;

/// `body` with `edits` made, which do not overlap. Of two at one place the first is made first. What
/// stays as it was is not copied.
pub(crate) fn splice(body: &Bytes, mut edits: Vec<Edit>) -> Pieces {
    edits.sort_by_key(|edit| edit.place.start);
    let are_few = edits.len() <= FEW;
    let mut pieces = Pieces::default();
    let mut kept = 0;
    for edit in edits {
        pieces.push(body.slice(kept..edit.place.start));
        pieces.push(match edit.text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        });
        kept = edit.place.end;
    }
    pieces.push(body.slice(kept..));
    if are_few { pieces } else { pieces.whole().into() }
}
