//! Campaigns: comparisons of which the environment says how many are made, and from which seed.

/// Returns the number that a variable of the environment holds, or `usual` where it is not set.
///
/// # Panics
/// When it holds something else.
pub fn number(variable: &str, usual: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(usual, |it| it.parse().unwrap_or_else(|err| panic!("{variable}={it}: {err}")))
}
