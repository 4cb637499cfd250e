//! What an operator says about keys, for every kind of provider that signs with one.

use super::hotkey::{Address, Hotkey};
use crate::registry::{BuildError, ProviderOption, Shape};
use crate::settings::AccountSettings;

/// The key that signs.
pub(crate) const HOTKEY_SEED: ProviderOption = ProviderOption {
    name: "hotkey_seed",
    variables: &["BITTENSOR_HOTKEY_SEED"],
    shape: Shape::Secret,
    help: "seed of the hotkey that signs: 64 hexadecimal digits (`secretSeed` in its file)",
};

/// The key of an account.
pub(crate) fn hotkey(settings: &AccountSettings) -> Result<Hotkey, BuildError> {
    let seed = settings.secret(HOTKEY_SEED.name).ok_or_else(|| missing(HOTKEY_SEED.name))?;
    Hotkey::from_seed(&seed).map_err(|error| wrong(HOTKEY_SEED.name, error))
}

/// The address that an option holds.
pub(crate) fn address(
    settings: &AccountSettings,
    option: &str,
) -> Result<Option<Address>, BuildError> {
    let text = settings.option(option).map(str::trim);
    text.map(|text| Address::parse(text).map_err(|error| wrong(option, error))).transpose()
}

/// An option without which there is no account.
pub(crate) fn missing(option: &str) -> BuildError {
    BuildError(format!("`{option}` is missing"))
}

fn wrong(option: &str, error: impl std::fmt::Display) -> BuildError {
    BuildError(format!("`{option}` {error}"))
}
