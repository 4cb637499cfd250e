//! `timeouts:` of a provider or an endpoint.

use isthmus_adapters::adapter::Timeouts;

use crate::reader::Value;

/// The timeouts of a section that inherits what it does not say.
pub(super) fn timeouts(value: &Value<'_>, inherited: Timeouts) -> Option<Timeouts> {
    let mut timeouts = inherited;
    value.fields(|fields| {
        fields.set("connect", &mut timeouts.connect, Value::time_limit);
        fields.set("first_byte", &mut timeouts.first_byte, Value::time_limit);
        fields.set("between_chunks", &mut timeouts.between_chunks, Value::time_limit);
        fields.set("total", &mut timeouts.total, Value::time_limit);
        Some(timeouts)
    })
}
