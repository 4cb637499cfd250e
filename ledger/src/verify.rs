//! Whether the books are whole: recomputes what follows from the entries, and says what does not fit.
//!
//! Pure: whoever reads the books hands over each link in its order ([`Audit::link`]), then what the
//! books say of themselves ([`Audit::finish`]).

mod corrected;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;

use crate::books::{Bucket, Dimensions, Sums};
use crate::entry::{Chained, Entry, ExchangeId, Head, Hold, Line, NodeId, Outcome, Settled};
use crate::fold;
use corrected::Corrected;

/// Reads all entries once.
pub struct Audit<'a> {
    /// What tokens cost at a version of a price; `None` for one that the books do not have.
    price: &'a dyn Fn(&str, &Usage) -> Option<Money>,
    chain: Option<(NodeId, Head)>,
    heads: Vec<(NodeId, Head)>,
    open: HashMap<ExchangeId, (NodeId, Hold)>,
    settled: HashSet<ExchangeId>,
    corrected: Corrected,
    sums: BTreeMap<(i64, Dimensions), Sums>,
    findings: Vec<Finding>,
    told: Told,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Entries.
    pub entries: u64,
    /// Exchanges that are over.
    pub settled: u64,
    /// Of those, how many ended with their process, and count as dear as they could have been.
    pub interrupted: u64,
    /// Corrections.
    pub corrections: u64,
    /// What all of it cost.
    pub cost: Money,
}

/// What the books say of themselves.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// Where each chain ends.
    pub heads: Vec<(NodeId, Head)>,
    /// The sums.
    pub buckets: Vec<Bucket>,
    /// The holds that nobody settled.
    pub open: Vec<(NodeId, Hold)>,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A link does not follow on the one before: an entry was changed, removed or put in.
    Broken(NodeId, u64),
    /// A link is no entry that this version knows.
    Unreadable(NodeId, u64),
    /// An exchange was settled more than once.
    Doubled(ExchangeId),
    /// An exchange with attempts was settled for which nothing was held.
    NeverHeld(ExchangeId),
    /// A line's cost is not what its tokens cost at its price.
    Mispriced {
        /// Of which exchange.
        exchange: ExchangeId,
        /// The line.
        number: u32,
        /// What stands there.
        stands: Option<Money>,
        /// What it should be; `None` if the version of the price is not in the books.
        should: Option<Money>,
    },
    /// A line was corrected more than once from the same charge.
    Recorrected(ExchangeId, u32),
    /// A chain ends elsewhere than the books say.
    WrongHead(NodeId),
    /// A sum is not that of its entries.
    WrongSum {
        /// The hour.
        hour: i64,
        /// What stands there.
        stands: Money,
        /// What the entries amount to.
        should: Money,
    },
    /// The list of open holds does not fit the entries.
    WrongHold(ExchangeId),
}

impl<'a> Audit<'a> {
    /// Begins. `price` says what tokens cost at a version of a price.
    pub fn new(price: &'a dyn Fn(&str, &Usage) -> Option<Money>) -> Self {
        Self {
            price,
            chain: None,
            heads: vec![],
            open: HashMap::new(),
            settled: HashSet::new(),
            corrected: Corrected::default(),
            sums: BTreeMap::new(),
            findings: vec![],
            told: Told::default(),
        }
    }

    /// The next link; those of a chain come in their order, one chain after the other.
    pub fn link(&mut self, link: &Chained) {
        self.told.entries += 1;
        let same = self.chain.take().filter(|(node, _)| *node == link.node);
        let head = same.map_or(Head::START, |(_, head)| head);
        if !head.continues(link) {
            self.findings.push(Finding::Broken(link.node.clone(), link.sequence));
        }
        match self.heads.last_mut().filter(|(node, _)| *node == link.node) {
            Some((_, head)) => *head = link.head(),
            None => self.heads.push((link.node.clone(), link.head())),
        }
        self.chain = Some((link.node.clone(), link.head()));
        match link.entry() {
            Ok(entry) => self.entry(&link.node, entry.into_owned()),
            Err(_) => {
                self.findings.push(Finding::Unreadable(link.node.clone(), link.sequence));
            }
        }
    }

    fn entry(&mut self, node: &NodeId, entry: Entry) {
        for Bucket { hour, of, sums } in fold::buckets(&entry) {
            self.told.cost += sums.cost;
            *self.sums.entry((hour, of)).or_default() += sums;
        }
        match entry {
            Entry::Hold(hold) => {
                self.open.insert(hold.exchange, (node.clone(), *hold));
            }
            Entry::Settled(settled) => self.settled(&settled),
            Entry::Correction(correction) => {
                self.told.corrections += 1;
                self.line(correction.exchange, &correction.line);
                self.corrected.add(&correction);
            }
        }
    }

    fn settled(&mut self, settled: &Settled) {
        self.told.settled += 1;
        self.told.interrupted += u64::from(settled.outcome == Outcome::Interrupted);
        let was_held = self.open.remove(&settled.exchange).is_some();
        if !self.settled.insert(settled.exchange) {
            self.findings.push(Finding::Doubled(settled.exchange));
        } else if !was_held && !settled.lines.is_empty() {
            self.findings.push(Finding::NeverHeld(settled.exchange));
        }
        settled.lines.iter().for_each(|line| self.line(settled.exchange, line));
    }

    fn line(&mut self, exchange: ExchangeId, line: &Line) {
        let should = match &line.price {
            Some(_) if line.usage.total() == 0 => Some(Money::ZERO),
            Some(price) => (self.price)(price, &line.usage),
            // Nobody knew a price, so there is nothing to compare.
            None => return,
        };
        if line.cost != should {
            let (number, stands) = (line.number, line.cost);
            self.findings.push(Finding::Mispriced { exchange, number, stands, should });
        }
    }

    /// Compares what was read with what the books say. What was read, and what does not fit.
    pub fn finish(mut self, claimed: Claimed) -> (Told, Vec<Finding>) {
        let broken = self.corrected.broken();
        self.findings.extend(broken.map(|(exchange, line)| Finding::Recorrected(exchange, line)));
        self.heads.sort_by(|one, other| one.0.cmp(&other.0));
        let claimed_heads: BTreeMap<_, _> = claimed.heads.into_iter().collect();
        let read_heads: BTreeMap<_, _> = self.heads.into_iter().collect();
        let nodes: HashSet<_> = claimed_heads.keys().chain(read_heads.keys()).collect();
        let wrong = |node: &&&NodeId| claimed_heads.get(**node) != read_heads.get(**node);
        let heads = nodes.iter().filter(wrong).map(|node| Finding::WrongHead((**node).clone()));
        self.findings.extend(heads);

        let mut claimed_sums: BTreeMap<_, _> =
            claimed.buckets.into_iter().map(|it| ((it.hour, it.of), it.sums)).collect();
        for (key, should) in self.sums {
            let stands = claimed_sums.remove(&key).unwrap_or_default();
            if stands != should {
                let (hour, stands, should) = (key.0, stands.cost, should.cost);
                self.findings.push(Finding::WrongSum { hour, stands, should });
            }
        }
        for ((hour, _), sums) in
            claimed_sums.into_iter().filter(|(_, sums)| *sums != Sums::default())
        {
            let (stands, should) = (sums.cost, Money::ZERO);
            self.findings.push(Finding::WrongSum { hour, stands, should });
        }

        let mut claimed_open: HashMap<_, _> =
            claimed.open.into_iter().map(|(node, hold)| (hold.exchange, (node, hold))).collect();
        for (exchange, held) in self.open {
            if claimed_open.remove(&exchange) != Some(held) {
                self.findings.push(Finding::WrongHold(exchange));
            }
        }
        self.findings.extend(claimed_open.into_keys().map(Finding::WrongHold));
        (self.told, self.findings)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |money: &Option<Money>| {
            money.map_or_else(|| "nothing".to_owned(), |money| format!("${money}"))
        };
        match self {
            Self::Broken(node, sequence) => write!(
                f,
                "entry {sequence} of journal {node} does not follow on the one before: an entry was changed, removed or put in"
            ),
            Self::Unreadable(node, sequence) => write!(
                f,
                "entry {sequence} of journal {node} is none that this version knows; was it written by a newer one?"
            ),
            Self::Doubled(exchange) => write!(f, "exchange {exchange} is settled more than once"),
            Self::NeverHeld(exchange) => {
                write!(f, "exchange {exchange} is settled, and nothing was held for it")
            }
            Self::Mispriced { exchange, number, stands, should: Some(should) } => write!(
                f,
                "exchange {exchange}, line {number}: {} stands there, its tokens cost ${should}",
                money(stands)
            ),
            Self::Mispriced { exchange, number, .. } => write!(
                f,
                "exchange {exchange}, line {number}: the version of its price is not in the books"
            ),
            Self::Recorrected(exchange, number) => write!(
                f,
                "exchange {exchange}, line {number}: a correction does not start from the one before; did two commands correct at the same time?"
            ),
            Self::WrongHead(node) => {
                write!(
                    f,
                    "journal {node} does not end where the books say: entries are missing at its end"
                )
            }
            Self::WrongSum { hour, stands, should } => write!(
                f,
                "a sum of hour {hour} (since 1970) says ${stands}, its entries amount to ${should}"
            ),
            Self::WrongHold(exchange) => {
                write!(f, "exchange {exchange}: the list of open holds does not fit the entries")
            }
        }
    }
}
