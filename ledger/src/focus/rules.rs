//! What the format allows, as lists.

/// Columns that every file has, and whether each row has something there.
pub(super) const MANDATORY: &[(&str, bool)] = &[
    ("BilledCost", true),
    ("BillingAccountId", true),
    ("BillingAccountName", false),
    ("BillingCurrency", true),
    ("BillingPeriodEnd", true),
    ("BillingPeriodStart", true),
    ("ChargeCategory", true),
    ("ChargeClass", false),
    ("ChargeDescription", false),
    ("ChargePeriodEnd", true),
    ("ChargePeriodStart", true),
    ("ContractedCost", true),
    ("EffectiveCost", true),
    ("InvoiceIssuerName", true),
    ("ListCost", true),
    ("PricingQuantity", false),
    ("PricingUnit", false),
    ("ServiceCategory", true),
    ("ServiceName", true),
];

/// Those of the versions before 1.3,
pub(super) const OLD_NAMES: [&str; 2] = ["ProviderName", "PublisherName"];
/// and since.
pub(super) const NEW_NAMES: [&str; 2] = ["ServiceProviderName", "HostProviderName"];

/// Columns with a list of words. Nothing is a word where the column may be empty.
pub(super) const WORDS: &[(&str, &[&str])] = &[
    ("ChargeCategory", &["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
    ("ChargeClass", &["Correction"]),
    ("ChargeFrequency", &["One-Time", "Recurring", "Usage-Based"]),
    ("PricingCategory", &["Standard", "Dynamic", "Committed", "Other"]),
    ("CommitmentDiscountCategory", &["Spend", "Usage"]),
    ("CommitmentDiscountStatus", &["Used", "Unused"]),
    ("BillingCurrency", &["USD"]),
    ("ServiceCategory", SERVICE_CATEGORIES),
];

const SERVICE_CATEGORIES: &[&str] = &[
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Multicloud",
    "Networking",
    "Other",
    "Security",
    "Storage",
    "Web",
];

/// Columns with decimals.
pub(super) const DECIMALS: &[&str] = &[
    "BilledCost",
    "CommitmentDiscountQuantity",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
];

/// A price, a quantity, and the cost that they come to.
pub(super) const PRODUCTS: &[(&str, &str)] =
    &[("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")];
