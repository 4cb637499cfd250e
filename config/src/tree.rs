//! The file as written: a tree of texts, each with its place.
//!
//! YAML is a large language, and here is the part of it that a configuration needs: maps, lists,
//! texts, anchors (`&name`, `*name`) and merges (`<<: *name`). Scalars keep their own characters,
//! because a price must not pass through a float. Aliases are copied, so the number of values is
//! bounded; nesting is bounded, so whoever walks the tree may recurse.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use crate::complaint::Position;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) content: Content,
}

/// What a value is, before anybody asked for a type.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// `null`, `~`, or nothing at all.
    Nothing,
    /// Text, a number or a word.
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; no name comes twice.
    Map(Vec<Entry>),
}

/// The characters of a scalar, just as they stand.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes: it may be meant as a number, or as true or false.
    pub(crate) plain: bool,
}

/// One field of a map.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) value: Node,
}

/// What is wrong with the text as YAML, or with its use of YAML.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) position: Position,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// Values in a file, after its aliases were copied. A large fleet has some thousands.
const MAX_NODES: usize = 100_000;
/// Levels of lists and maps; the deepest field of a configuration stands on the seventh.
const MAX_DEPTH: usize = 32;

/// Reads one document. Faults that leave the rest of the tree readable come beside the tree.
pub(crate) fn parse(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let end = End::of(text);
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| unreadable(&error, text))?;
        builder.take(event, end.min_of(position(span.start)))?;
    }
    let nothing = Node { position: Position { line: 1, column: 1 }, content: Content::Nothing };
    Ok((builder.root.unwrap_or(nothing), builder.faults))
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// The place behind the last character. What is missing at the end of a text is missing there,
/// where the parser may name a line that does not exist.
struct End(Position);

impl End {
    fn of(text: &str) -> Self {
        // A lone carriage return ends a line of YAML too.
        let (line, last) = (1..).zip(text.split(['\n', '\r'])).last().unwrap_or((1, ""));
        Self(Position { line, column: last.chars().count() + 1 })
    }

    fn min_of(&self, position: Position) -> Position {
        if position.line > self.0.line { self.0 } else { position }
    }
}

/// The parser's own words, with advice for the two slips that are behind most of them.
fn unreadable(error: &ScanError, text: &str) -> Fault {
    let mut position = position(*error.marker());
    let (last, line) = (1..).zip(text.lines()).take(position.line).last().unwrap_or((1, ""));
    if last < position.line {
        // What is missing at the end is missing behind the last line.
        position = Position { line: last, column: line.chars().count() + 1 };
    }
    let advice = if line.contains("${") {
        "; inside of `{ }` and `[ ]`, put `${…}` in quotes"
    } else if error.info().contains("block") {
        "; is the line indented like its neighbours?"
    } else {
        ""
    };
    let message = format!("not valid YAML: {}{advice}", shown(error.info()));
    Fault { position, path: String::new(), message }
}

/// Makes the tree out of the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A list or a map whose end has not come yet.
struct Frame {
    position: Position,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, merged: Vec<Entry>, next: Next },
}

/// What the next value within a map is.
enum Next {
    Key,
    Value {
        key: String,
        position: Position,
    },
    /// The value of a key that cannot be used.
    Ignored,
}

// === impl Builder ===

impl Builder {
    fn take(&mut self, event: Event<'_>, position: Position) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.fault(position, "a second YAML document; a configuration is one document");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), position);
                let plain = style == ScalarStyle::Plain;
                let content = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Content::Nothing,
                    _ => Content::Scalar(Scalar { text: text.into_owned(), plain }),
                };
                self.put(Node { position, content }, anchor)?;
            }
            Event::Alias(anchor) => self.put_alias(anchor, position)?,
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), position);
                self.open(Frame { position, anchor, inside: Inside::List(vec![]) })?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), position);
                let inside = Inside::Map { entries: vec![], merged: vec![], next: Next::Key };
                self.open(Frame { position, anchor, inside })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of lists and maps");
            return Err(self.located(frame.position, message));
        }
        self.open.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(Frame { position, anchor, inside }) = self.open.pop() else { return Ok(()) };
        let content = match inside {
            Inside::List(items) => Content::List(items),
            Inside::Map { mut entries, merged, .. } => {
                for entry in merged {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry);
                    }
                }
                Content::Map(entries)
            }
        };
        self.put(Node { position, content }, anchor)
    }

    fn put_alias(&mut self, anchor: usize, position: Position) -> Result<(), Fault> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.located(position, "an alias inside of its own anchor".to_owned()));
        };
        // Of the copy, all but its root is counted here.
        self.nodes += count(&node) - 1;
        self.put(node, 0)
    }

    /// A node is complete: it becomes an item, a key, a value, or the whole document.
    fn put(&mut self, mut node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, copies of anchors included");
            return Err(self.located(node.position, message));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(Frame { inside, .. }) = self.open.last_mut() else {
            // A second document is refused already; the first one is still looked at.
            self.root.get_or_insert(node);
            return Ok(());
        };
        match inside {
            Inside::List(items) => items.push(node),
            Inside::Map { entries, merged, next } => match std::mem::replace(next, Next::Key) {
                Next::Key => self.put_key(node),
                Next::Ignored => {}
                Next::Value { key, position } if key == "<<" => match merge(node) {
                    Some(more) => merged.extend(more),
                    None => self.fault(position, "`<<` merges a map, or a list of maps"),
                },
                Next::Value { key, position } => {
                    if matches!(node.content, Content::Nothing) {
                        // The parser places what is not there at whatever comes next.
                        node.position = position;
                    }
                    entries.push(Entry { key, position, value: node });
                }
            },
        }
        Ok(())
    }

    fn put_key(&mut self, node: Node) {
        let position = node.position;
        let Content::Scalar(Scalar { text: key, .. }) = node.content else {
            return self.skip_value(position, "a field needs a name");
        };
        let Some(Frame { inside: Inside::Map { entries, next, .. }, .. }) = self.open.last_mut()
        else {
            return;
        };
        if let Some(first) = entries.iter().find(|entry| entry.key == key) {
            let line = first.position.line;
            let message = format!("`{}` is written twice; first on line {line}", shown(&key));
            return self.skip_value(position, &message);
        }
        *next = Next::Value { key, position };
    }

    fn skip_value(&mut self, position: Position, message: &str) {
        self.fault(position, message);
        if let Some(Frame { inside: Inside::Map { next, .. }, .. }) = self.open.last_mut() {
            *next = Next::Ignored;
        }
    }

    fn refuse_tag(&mut self, tagged: bool, position: Position) {
        if tagged {
            self.fault(position, "YAML tags (`!…`) mean nothing here; leave it out");
        }
    }

    fn fault(&mut self, position: Position, message: &str) {
        let fault = self.located(position, message.to_owned());
        self.faults.push(fault);
    }

    fn located(&self, position: Position, message: String) -> Fault {
        let mut path = String::new();
        for frame in &self.open {
            match &frame.inside {
                Inside::List(items) => path = item_path(&path, items.len()),
                Inside::Map { next: Next::Value { key, .. }, .. } => path = field_path(&path, key),
                Inside::Map { .. } => {}
            }
        }
        Fault { position, path, message }
    }
}

/// The entries that `<<: node` brings in; the first of several maps wins. They keep their own
/// places, so that a complaint points to where the fault can be mended.
fn merge(node: Node) -> Option<Vec<Entry>> {
    match node.content {
        Content::Map(entries) => Some(entries),
        Content::List(nodes) => {
            let maps: Option<Vec<_>> = nodes.into_iter().map(merge).collect();
            maps.map(|maps| maps.into_iter().flatten().collect())
        }
        Content::Nothing | Content::Scalar(_) => None,
    }
}

fn count(node: &Node) -> usize {
    match &node.content {
        Content::Nothing | Content::Scalar(_) => 1,
        Content::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        // A key is a node as well.
        Content::Map(entries) => {
            1 + entries.iter().map(|entry| 1 + count(&entry.value)).sum::<usize>()
        }
    }
}

/// The path of a field of the map at `path`; a name that would blur the path is put in quotes.
pub(crate) fn field_path(path: &str, key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/:".contains(&byte);
    let bare = !key.is_empty() && key.bytes().all(plain);
    let key = if bare { shown(key) } else { format!("\"{}\"", shown(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path of an item of the list at `path`.
pub(crate) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// What the operator wrote, fit for one line of a complaint.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::new();
    for character in text.chars().take(LONGEST) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
