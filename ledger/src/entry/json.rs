//! JSON as `serde_json` writes it, at a fifth of the cost: that looks at every byte of every text and
//! name for what has to be escaped, and names that stand in this program have nothing of the kind.
//!
//! It writes what entries are made of: structures, lists, maps with texts for keys, texts, words and
//! whole numbers.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

/// A value that entries are not made of.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(String);

/// Appends a value to a text.
pub(super) fn write(text: &mut String, value: &impl Serialize) -> Result<(), Unwritable> {
    value.serialize(Json(text))
}

/// Where one value goes.
struct Json<'t>(&'t mut String);

/// Where the members of a structure or map, or the items of a list, go.
struct Members<'t> {
    text: &'t mut String,
    is_empty: bool,
    end: char,
}

type Written = Result<(), Unwritable>;

// === impl Json ===

impl<'t> Json<'t> {
    fn members(self, begin: char, end: char) -> Members<'t> {
        self.0.push(begin);
        Members { text: self.0, is_empty: true, end }
    }

    /// A word of this program's.
    fn word(self, word: &str) -> Written {
        self.0.push('"');
        self.0.push_str(word);
        self.0.push('"');
        Ok(())
    }

    fn number(self, number: impl itoa::Integer) -> Written {
        self.0.push_str(itoa::Buffer::new().format(number));
        Ok(())
    }
}

/// Whether a byte does not stand for itself in a JSON text (RFC 8259, section 7).
fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn no(what: &str) -> Unwritable {
    Unwritable(format!("an entry has no {what}"))
}

/// Whole numbers of each size are written in one way.
macro_rules! numbers {
    ($($method:ident: $number:ty,)*) => {
        $(fn $method(self, value: $number) -> Written {
            self.number(value)
        })*
    };
}

impl<'t> Serializer for Json<'t> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Members<'t>;
    type SerializeTuple = Impossible<(), Unwritable>;
    type SerializeTupleStruct = Impossible<(), Unwritable>;
    type SerializeTupleVariant = Impossible<(), Unwritable>;
    type SerializeMap = Members<'t>;
    type SerializeStruct = Members<'t>;
    type SerializeStructVariant = Impossible<(), Unwritable>;

    fn serialize_str(self, text: &str) -> Written {
        // No early end: texts are short, and this way many bytes are looked at together.
        if text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
            let escaped = serde_json::to_string(text).map_err(ser::Error::custom)?;
            self.0.push_str(&escaped);
            return Ok(());
        }
        self.word(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Written {
        let begin = self.0.len();
        self.0.push('"');
        write!(self.0, "{value}").map_err(ser::Error::custom)?;
        if self.0[begin + 1..].bytes().any(is_escaped) {
            let text = self.0.split_off(begin);
            return self.serialize_str(&text[1..]);
        }
        self.0.push('"');
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Written {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    numbers! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
    }

    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.0.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, word: &'static str) -> Written {
        self.word(word)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        word: &'static str,
        value: &T,
    ) -> Written {
        let mut members = self.members('{', '}');
        members.member(word, value)?;
        members.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'t>, Unwritable> {
        Ok(self.members('[', ']'))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'t>, Unwritable> {
        Ok(self.members('{', '}'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'t>, Unwritable> {
        Ok(self.members('{', '}'))
    }

    fn serialize_f32(self, _: f32) -> Written {
        Err(no("fraction"))
    }

    fn serialize_f64(self, _: f64) -> Written {
        Err(no("fraction"))
    }

    fn serialize_char(self, _: char) -> Written {
        Err(no("single character"))
    }

    fn serialize_bytes(self, _: &[u8]) -> Written {
        Err(no("bytes"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unwritable> {
        Err(no("tuple"))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unwritable> {
        Err(no(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        Err(no(name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritable> {
        Err(no(name))
    }
}

// === impl Members ===

impl Members<'_> {
    fn next(&mut self) {
        if !self.is_empty {
            self.text.push(',');
        }
        self.is_empty = false;
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.next();
        Json(self.text).word(name)?;
        self.text.push(':');
        value.serialize(Json(self.text))
    }

    fn close(self) -> Written {
        self.text.push(self.end);
        Ok(())
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.member(name, value)
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.next();
        let begin = self.text.len();
        key.serialize(Json(self.text))?;
        if self.text[begin..].starts_with('"') { Ok(()) } else { Err(no("key that is no text")) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.text.push(':');
        value.serialize(Json(self.text))
    }

    fn end(self) -> Written {
        self.close()
    }
}

impl ser::SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Written {
        self.next();
        item.serialize(Json(self.text))
    }

    fn end(self) -> Written {
        self.close()
    }
}

// === impl Unwritable ===

impl ser::Error for Unwritable {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use isthmus_inference::money::Money;
    use isthmus_inference::tier::Tier;
    use isthmus_inference::usage::{Source, Usage};
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{
        About, CacheUse, Correction, Entry, ExchangeId, Hold, Line, Options, Outcome, Settled,
    };

    fn money() -> impl Strategy<Value = Money> + Clone {
        prop_oneof![any::<i64>(), -1000_i64..1000]
            .prop_map(|pico| Money::from_pico_dollars(pico.into()))
    }

    fn usage() -> impl Strategy<Value = Usage> {
        let tokens = prop_oneof![Just(0), any::<u64>()];
        let tier = option::of(prop_oneof![Just(Tier::Batch), Just(Tier::Standard)]);
        let source = prop_oneof![Just(Source::Reported), Just(Source::Estimated)];
        ([tokens.clone(), tokens.clone(), tokens], tier, source).prop_map(
            |([uncached_input, cache_read, unexplained], tier, source)| Usage {
                uncached_input,
                cache_read,
                unexplained,
                tier,
                source,
                ..Usage::default()
            },
        )
    }

    fn about() -> impl Strategy<Value = Arc<About>> {
        let tags = btree_map(".*", ".*", 0..3);
        (".*", ".*", any::<String>(), tags).prop_map(
            |(organisation, team, key, tags): (_, _, _, BTreeMap<_, _>)| {
                Arc::new(About { organisation, team, key, tags, ..About::default() })
            },
        )
    }

    fn line() -> impl Strategy<Value = Line> {
        let numbers = (any::<u32>(), any::<i64>(), option::of(any::<u64>()), any::<bool>());
        (numbers, [any::<String>(), any::<String>()], usage(), option::of(money())).prop_map(
            |((number, began, first_output_ms, counts), [endpoint, fate], usage, cost)| Line {
                number,
                endpoint: endpoint.as_str().into(),
                provider: "provider".into(),
                upstream_model: "model".into(),
                reason: "first".into(),
                fate: fate.into(),
                counts,
                usage,
                price: cost.map(|_| "price".into()),
                cost,
                began,
                first_output_ms,
                took_ms: 7,
            },
        )
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Answered),
            any::<String>().prop_map(|kind| Outcome::Failed(kind.into())),
            Just(Outcome::Interrupted),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let id = any::<u128>().prop_map(|chance| ExchangeId::from_bytes(chance.to_be_bytes()));
        let hold = (id.clone(), any::<i64>(), ".*", about(), money(), usage()).prop_map(
            |(exchange, at, request_id, about, amount, expected)| Hold {
                exchange,
                at,
                request_id: request_id.as_str().into(),
                about,
                amount,
                expected,
                ..Hold::default()
            },
        );
        let cache = prop_oneof![Just(CacheUse::Miss), money().prop_map(CacheUse::Hit)];
        let options =
            option::of(money()).prop_map(|cheapest| Options { cheapest, ..Options::default() });
        let settled = (id.clone(), about(), outcome(), vec(line(), 0..3), options, cache).prop_map(
            |(exchange, about, outcome, lines, options, cache)| Settled {
                exchange,
                at: 1,
                request_id: "r".into(),
                about,
                outcome,
                lines,
                options,
                cache,
            },
        );
        let correction = (id, about(), line(), option::of(money()), ".*").prop_map(
            |(exchange, about, line, was, reason)| Correction {
                exchange,
                of: 1,
                at: 2,
                about,
                line,
                was,
                reason,
            },
        );
        prop_oneof![
            hold.prop_map(|hold| Entry::Hold(Box::new(hold))),
            settled.prop_map(|settled| Entry::Settled(Box::new(settled))),
            correction.prop_map(|correction| Entry::Correction(Box::new(correction))),
        ]
    }

    proptest! {
        #[test]
        fn an_entry_is_written_as_serde_json_writes_it(entry in entry()) {
            let mut text = String::from("before it ");
            write(&mut text, &entry).unwrap();
            prop_assert_eq!(text, format!("before it {}", serde_json::to_string(&entry).unwrap()));
        }
    }

    #[test]
    fn a_value_that_prints_what_must_be_escaped_is_escaped() {
        let mut text = String::new();
        Json(&mut text).collect_str(&format_args!("a {:?}\n", "b")).unwrap();
        assert_eq!(text, r#""a \"b\"\n""#);
    }

    #[test]
    fn what_no_entry_has_is_refused() {
        assert_eq!(write(&mut String::new(), &0.5), Err(no("fraction")));
        assert_eq!(write(&mut String::new(), &(1, 2)), Err(no("tuple")));
        let numbered = BTreeMap::from([(1, "one")]);
        assert_eq!(write(&mut String::new(), &numbered), Err(no("key that is no text")));
    }
}
