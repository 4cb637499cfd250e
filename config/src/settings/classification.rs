//! What sort of data requests carry, where nobody says so.

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
