//! Whose the requests are where no key says so, and what sort of data they carry where nobody does.

use isthmus_policies::class::DataClass;

/// How requests are classified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classification {
    /// Whether prompts, tool results and files are looked through.
    pub detect: bool,
    /// What a request is of which nobody says anything; `None` is public.
    pub unclassified: Option<DataClass>,
    /// What a request is at least that holds something which cannot be looked into, such as a
    /// picture; `None` leaves its class as it is.
    pub opaque_content: Option<DataClass>,
}

/// The organisation that the gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its name, for keys that are of no other.
    pub name: String,
    /// The class that every request has at least.
    pub data_class_floor: Option<DataClass>,
}

// === impl Organisation ===

impl Default for Organisation {
    fn default() -> Self {
        Self { name: "default".to_owned(), data_class_floor: None }
    }
}
