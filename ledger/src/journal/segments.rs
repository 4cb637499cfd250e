//! The files of a journal: entries as lines, in segments that are taken out once the books have all of
//! them. A folder beside the ledger's file, and a lock that ends with the process.
//!
//! A segment begins with a line that says whose it is and where its chain begins:
//! `isthmus-journal 1 NODE SEQUENCE HASH`. Then comes a line for each entry: `SEQUENCE HASH BODY`. A line
//! without an end, or whose hash does not fit, is what a crash left of a write that nobody was told
//! of, if it is the last; anywhere else somebody changed the file. Behind the last line are zeros:
//! the file is made larger ahead of what is written, so that a commit changes nothing but data.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::entry::{Chained, Hash, Head, NodeId};
use crate::store::StoreError;

/// A journal that this process alone writes.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    node: NodeId,
    head: Head,
    current: Option<Current>,
    /// Held until the process ends, however it ends.
    _lock: File,
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    file: File,
    /// Bytes that are written,
    bytes: u64,
    /// and bytes that there is room for.
    room: u64,
}

/// Whose journal it is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// That of the first gateway on this machine, of the second, and so on.
    Gateway(u32),
    /// That of corrections. A gateway that starts meanwhile does not find its place taken, and of two
    /// who correct at the same time the second is told.
    Corrections,
}

/// What was read of a segment.
struct Read {
    node: NodeId,
    start: Head,
    links: Vec<Chained>,
}

/// How many gateways may share one ledger on one machine.
const MOST_JOURNALS: u32 = 64;
/// A segment that is larger is followed by a new one.
const SEGMENT_BYTES: u64 = 8 << 20;
/// A segment grows by so much at a time.
const ROOM: u64 = 1 << 20;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
/// The first word of a segment.
const MARK: &str = "isthmus-journal";
const VERSION: &str = "1";

impl Segments {
    /// The first journal beside the ledger's file that no other process writes; a new one if all are
    /// taken. What a process that crashed left in it is still there.
    pub fn open_beside(ledger: &Path) -> Result<Self, StoreError> {
        for number in 0..MOST_JOURNALS {
            let owner = Owner::Gateway(number);
            if let Some(lock) = lock(ledger, owner)? {
                return Self::open(ledger, owner, lock);
            }
        }
        let reason = format!("{MOST_JOURNALS} gateways use it already");
        Err(StoreError::Unavailable { place: ledger.display().to_string(), reason })
    }

    /// The journal of corrections beside the ledger's file, unless another process has it.
    pub fn open_for_corrections(ledger: &Path) -> Result<Self, StoreError> {
        match lock(ledger, Owner::Corrections)? {
            Some(lock) => Self::open(ledger, Owner::Corrections, lock),
            None => {
                let place = folder(ledger, Owner::Corrections).display().to_string();
                let reason = "another command uses it at this moment; try again".to_owned();
                Err(StoreError::Unavailable { place, reason })
            }
        }
    }

    /// All journals beside the ledger's file that no process writes: those of processes that ended.
    pub fn left_behind(ledger: &Path) -> Result<Vec<Self>, StoreError> {
        let mut left = Vec::new();
        let owners = (0..MOST_JOURNALS).map(Owner::Gateway).chain([Owner::Corrections]);
        for owner in owners.filter(|owner| folder(ledger, *owner).exists()) {
            if let Some(lock) = lock(ledger, owner)? {
                left.push(Self::open(ledger, owner, lock)?);
            }
        }
        Ok(left)
    }

    fn open(ledger: &Path, owner: Owner, lock: File) -> Result<Self, StoreError> {
        let folder = folder(ledger, owner);
        fs::create_dir_all(&folder).map_err(|error| unavailable(&folder, &error))?;
        let mut last = None;
        for (_, path) in files(&folder)?.iter().rev() {
            last = read(path)?;
            if last.is_some() {
                break;
            }
        }
        let (node, head) = match last {
            Some(read) => {
                let head = read.links.last().map_or(read.start, Chained::head);
                (read.node, head)
            }
            None => (fresh_node()?, Head::START),
        };
        Ok(Self { folder, node, head, current: None, _lock: lock })
    }

    /// By which the books know it.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Where its chain ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Where its files are read while it is written.
    pub fn reader(&self) -> Reader {
        Reader { folder: self.folder.clone(), node: self.node.clone() }
    }

    /// Writes links that go on where the chain ends. `durable`: on return they are on the disk.
    pub fn append(&mut self, links: &[Chained], durable: bool) -> Result<(), StoreError> {
        let Some(last) = links.last() else { return Ok(()) };
        let written = self.write(links, durable);
        if written.is_err() {
            // Whatever of it is in the file is not to be gone on behind.
            self.current = None;
        }
        written.map_err(|error| unavailable(&self.folder, &error))?;
        self.head = last.head();
        Ok(())
    }

    fn write(&mut self, links: &[Chained], durable: bool) -> io::Result<()> {
        let mut current = match self.current.take().filter(|it| it.bytes < SEGMENT_BYTES) {
            Some(current) => current,
            None => self.begin()?,
        };
        let mut lines =
            Vec::with_capacity(links.iter().map(|link| link.body.as_bytes().len() + 96).sum());
        for Chained { sequence, hash, body, .. } in links {
            write!(lines, "{sequence} ")?;
            lines.extend_from_slice(&hash.digits());
            lines.push(b' ');
            lines.extend_from_slice(body.as_bytes());
            lines.push(b'\n');
        }
        current.write(&lines)?;
        if durable {
            current.file.sync_data()?;
        }
        self.current = Some(current);
        Ok(())
    }

    /// A new segment behind the chain's end. One of the same name has nothing in it that anybody was
    /// told of.
    fn begin(&self) -> io::Result<Current> {
        let Head { sequence, hash } = self.head;
        let path = self.folder.join(format!("{sequence:020}.log"));
        let file = File::options().create(true).write(true).truncate(true).open(path)?;
        let mut current = Current { file, bytes: 0, room: 0 };
        let first = format!("{MARK} {VERSION} {} {sequence} {hash:?}\n", self.node);
        current.write(first.as_bytes())?;
        current.file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(current)
    }

    /// Goes on behind this link, which the books have, instead of the file's own end: the file is an
    /// older copy of itself.
    pub(super) fn go_on_behind(&mut self, head: Head) {
        (self.head, self.current) = (head, None);
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(number) => number.fmt(f),
            Self::Corrections => f.write_str("corrections"),
        }
    }
}

impl Current {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let end = self.bytes + lines.len() as u64;
        if end > self.room {
            let room = end.next_multiple_of(ROOM);
            while self.room < room {
                // Written, not only reserved: reserved room would be taken one commit at a time.
                let some =
                    ZEROS.len().min(usize::try_from(room - self.room).unwrap_or(ZEROS.len()));
                self.file.write_all_at(&ZEROS[..some], self.room)?;
                self.room += some as u64;
            }
            self.file.sync_all()?;
        }
        self.file.write_all_at(lines, self.bytes)?;
        self.bytes = end;
        Ok(())
    }
}

/// Reads the files of a journal, also while they are written.
#[derive(Debug, Clone)]
pub struct Reader {
    folder: PathBuf,
    node: NodeId,
}

impl Reader {
    /// By which the books know it.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The links behind this one of the segment in which they begin: those of the next segment come
    /// with the next call.
    pub fn behind(&self, head: Head) -> Result<Vec<Chained>, StoreError> {
        let files = files(&self.folder)?;
        let holding = files.iter().rposition(|(start, _)| *start <= head.sequence).unwrap_or(0);
        for (_, path) in &files[holding.min(files.len())..] {
            let Some(Read { mut links, .. }) = read(path)? else { continue };
            links.retain(|link| link.sequence > head.sequence);
            if !links.is_empty() {
                return Ok(links);
            }
        }
        Ok(vec![])
    }

    /// Takes out the segments that the books have as a whole. The last one stays: it says where the
    /// chain goes on.
    pub fn take_out(&self, posted: Head) -> Result<(), StoreError> {
        let files = files(&self.folder)?;
        for pair in files.windows(2).filter(|pair| pair[1].0 <= posted.sequence) {
            fs::remove_file(&pair[0].1).map_err(|error| unavailable(&pair[0].1, &error))?;
        }
        Ok(())
    }
}

/// The segments in their order: behind which number each begins, and where it is.
fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unavailable(folder, &error))? {
        let path = entry.map_err(|error| unavailable(folder, &error))?.path();
        let start = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        files.extend(start.map(|start| (start, path)));
    }
    files.sort();
    Ok(files)
}

/// Reads a segment up to its last whole line; `None` if a crash left not even its first.
fn read(path: &Path) -> Result<Option<Read>, StoreError> {
    let bytes = fs::read(path).map_err(|error| unavailable(path, &error))?;
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&bytes[..written]);
    if !text.contains('\n') {
        return Ok(None);
    }
    let mut lines = text.split_inclusive('\n');
    let (node, start) = lines.next().and_then(first_line).ok_or_else(|| {
        let reason = "it does not begin as a journal of this version does";
        StoreError::Unavailable { place: path.display().to_string(), reason: reason.to_owned() }
    })?;
    let (mut head, mut links) = (start, Vec::new());
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let link = line.strip_suffix('\n').and_then(|line| link(line, &node));
        match link.filter(|link| head.continues(link)) {
            Some(link) => {
                head = link.head();
                links.push(link);
            }
            None if lines.peek().is_none() => break,
            None => {
                return Err(StoreError::Broken {
                    node: node.to_string(),
                    sequence: head.sequence + 1,
                });
            }
        }
    }
    Ok(Some(Read { node, start, links }))
}

fn first_line(line: &str) -> Option<(NodeId, Head)> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let known = words.next()? == MARK && words.next()? == VERSION;
    let node = NodeId::new(words.next()?);
    let head = Head { sequence: words.next()?.parse().ok()?, hash: words.next()?.parse().ok()? };
    known.then_some((node, head))
}

fn link(line: &str, node: &NodeId) -> Option<Chained> {
    let (sequence, rest) = line.split_once(' ')?;
    let (hash, body) = rest.split_once(' ')?;
    let hash: Hash = hash.parse().ok()?;
    Some(Chained::new(node.clone(), sequence.parse().ok()?, body.to_owned(), hash))
}

/// Where a journal lies: `isthmus.journal-0` beside `isthmus.db`.
fn folder(ledger: &Path, owner: Owner) -> PathBuf {
    ledger.with_extension(format!("journal-{owner}"))
}

/// The lock of a journal, unless another process has it.
fn lock(ledger: &Path, owner: Owner) -> Result<Option<File>, StoreError> {
    let path = ledger.with_extension(format!("journal-{owner}.lock"));
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

/// A name that no other journal has.
fn fresh_node() -> Result<NodeId, StoreError> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance)?;
    Ok(NodeId::new(format!("{:016x}", u64::from_be_bytes(chance))))
}

fn unavailable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable { place: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::entry::{Chain, Entry, ExchangeId, Hold};

    fn entry(number: u64) -> Entry {
        Entry::Hold(Box::new(Hold {
            exchange: ExchangeId::new(1, u128::from(number)),
            at: 1,
            request_id: format!("r\"{number}\n").into(),
            ..Hold::default()
        }))
    }

    /// Appends so many entries, some at a time.
    fn append(segments: &mut Segments, count: u64, at_once: usize) -> Vec<Chained> {
        let mut chain = Chain::behind(segments.node().clone(), segments.head());
        let links: Vec<_> = (0..count).map(|number| chain.link(entry(number))).collect();
        links.chunks(at_once).for_each(|some| segments.append(some, true).unwrap());
        links
    }

    fn all(reader: &Reader) -> Vec<Chained> {
        let (mut head, mut all) = (Head::START, vec![]);
        loop {
            let links = reader.behind(head).unwrap();
            let Some(last) = links.last() else { return all };
            head = last.head();
            all.extend(links);
        }
    }

    #[test]
    fn what_was_written_is_read_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("isthmus.db");
        let mut first = Segments::open_beside(&ledger).unwrap();
        let (node, mut links) = (first.node().clone(), append(&mut first, 5, 2));
        assert_eq!(all(&first.reader()), links);
        drop(first);
        let mut second = Segments::open_beside(&ledger).unwrap();
        assert_eq!((second.node(), second.head().sequence), (&node, 5));
        links.extend(append(&mut second, 3, 1));
        assert_eq!(all(&second.reader()), links);
        second.reader().take_out(links[4].head()).unwrap();
        assert_eq!(all(&second.reader()), links[5..], "the first segment is gone");
        assert_eq!(second.reader().behind(links[4].head()).unwrap(), links[5..]);
    }

    #[test]
    fn half_a_line_at_the_end_is_forgotten_and_a_change_before_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("isthmus.db");
        let mut segments = Segments::open_beside(&ledger).unwrap();
        append(&mut segments, 3, 3);
        drop(segments);
        let file = folder.path().join("isthmus.journal-0/00000000000000000000.log");
        let whole = fs::read_to_string(&file).unwrap();
        let whole = whole.trim_end_matches('\0');
        for cut in 1..80 {
            fs::write(&file, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(Segments::open_beside(&ledger).unwrap().head().sequence, 2, "{cut}");
        }
        fs::write(&file, whole.replacen("\"at\":1", "\"at\":2", 1)).unwrap();
        let error = Segments::open_beside(&ledger).unwrap_err();
        assert!(matches!(error, StoreError::Broken { sequence: 1, .. }), "{error}");
    }

    #[test]
    fn corrections_have_a_journal_of_their_own_and_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("isthmus.db");
        let mut corrections = Segments::open_for_corrections(&ledger).unwrap();
        let error = Segments::open_for_corrections(&ledger).unwrap_err();
        assert!(error.to_string().contains("journal-corrections"), "{error}");
        let gateway = Segments::open_beside(&ledger).unwrap();
        assert!(gateway.folder.ends_with("isthmus.journal-0"));
        let (node, _) = (corrections.node().clone(), append(&mut corrections, 1, 1));
        drop(corrections);
        let left = Segments::left_behind(&ledger).unwrap();
        assert_eq!(left.iter().map(Segments::node).collect::<Vec<_>>(), [&node]);
    }

    #[test]
    fn a_line_that_was_cut_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("isthmus.db");
        let mut segments = Segments::open_beside(&ledger).unwrap();
        let kept = append(&mut segments, 2, 2);
        drop(segments);
        let file = folder.path().join("isthmus.journal-0/00000000000000000000.log");
        let whole = fs::read_to_string(&file).unwrap();
        fs::write(&file, whole.replacen('\0', "3 abc", 1)).unwrap();
        let mut segments = Segments::open_beside(&ledger).unwrap();
        let more = append(&mut segments, 1, 1);
        assert_eq!(all(&segments.reader()), [kept, more].concat());
    }
}
