//! A body in the pieces that it is made of: what of it is another text's stays where it is, and the
//! network takes one piece behind the other.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

/// The pieces of a body, in their order. A long prompt in which one word is changed is three of them,
/// of which two are the caller's own bytes. They should be few: sending them takes time by the square of
/// their number.
#[derive(Debug, Clone, Default)]
pub struct Pieces(SmallVec<[Bytes; 3]>);

// === impl Pieces ===

impl Pieces {
    /// All of it in one: as it is, if it is one, and copied otherwise.
    pub fn whole(&self) -> Bytes {
        match &*self.0 {
            [] => Bytes::new(),
            [only] => only.clone(),
            several => several.concat().into(),
        }
    }

    /// Adds a piece at the end.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push(piece);
        }
    }
}

impl From<String> for Pieces {
    fn from(only: String) -> Self {
        Bytes::from(only).into()
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(only: Vec<u8>) -> Self {
        Bytes::from(only).into()
    }
}

impl From<Bytes> for Pieces {
    fn from(only: Bytes) -> Self {
        let mut pieces = Self::default();
        pieces.push(only);
        pieces
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.first().map_or(&[], |first| first)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let filled = out.len().min(self.0.len());
        for (slot, piece) in out.iter_mut().zip(&self.0) {
            *slot = IoSlice::new(piece);
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.0.first_mut() {
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            self.0.remove(0);
        }
        assert_eq!(count, 0, "no more is sent than there is");
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn pieces(texts: &[Vec<u8>]) -> Pieces {
        let mut pieces = Pieces::default();
        texts.iter().for_each(|text| pieces.push(Bytes::copy_from_slice(text)));
        pieces
    }

    proptest! {
        #[test]
        fn they_are_sent_as_the_whole_would_be(
            texts in vec(vec(any::<u8>(), 0..5), 0..7),
            steps in vec(0_usize..9, 0..20),
        ) {
            let (mut sent, whole) = (pieces(&texts), texts.concat());
            prop_assert_eq!(&sent.whole(), &whole);
            let mut left = &whole[..];
            for step in steps {
                prop_assert_eq!(sent.remaining(), left.len());
                prop_assert!(left.is_empty() || !sent.chunk().is_empty());
                let mut slices = [IoSlice::new(&[]); 9];
                let filled = sent.chunks_vectored(&mut slices);
                let sliced: Vec<&[u8]> = slices[..filled].iter().map(|slice| &**slice).collect();
                prop_assert_eq!(sliced.concat(), left);
                let step = step.min(left.len());
                sent.advance(step);
                left = &left[step..];
            }
            prop_assert_eq!(sent.whole(), left);
        }
    }

    #[test]
    fn one_piece_is_not_copied() {
        let only = Bytes::from_static(b"a body");
        let sent = Pieces::from(only.clone());
        assert_eq!(sent.whole().as_ptr(), only.as_ptr());
    }

    #[test]
    fn who_has_room_for_few_is_given_the_first() {
        let (mut few, sent) = ([IoSlice::new(&[])], pieces(&[b"a".into(), b"b".into()]));
        assert_eq!(sent.chunks_vectored(&mut few), 1);
    }
}
