//! Numbers that states give to people, one file for each. Where chance alone would often pass the
//! check, or there is no check digit, a word nearby must say what the number is.

pub(super) mod br_cpf;
pub(super) mod de_steuer_id;
pub(super) mod es_dni;
pub(super) mod fr_nir;
pub(super) mod in_aadhaar;
pub(super) mod it_codice_fiscale;
pub(super) mod nl_bsn;
pub(super) mod pl_pesel;
pub(super) mod uk_nino;
pub(super) mod us_ssn;
