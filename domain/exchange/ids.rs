//! Names that an exchange gives: UUIDs that are counted, not drawn, so that the same session gives the
//! same names and a name says where to look.

use std::fmt;
use std::str::FromStr;

/// What a name is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An account.
    Account = 1,
    /// An asset.
    Asset = 2,
    /// An order.
    Order = 3,
    /// Orders that stand and fall together.
    Group = 4,
    /// One execution.
    Execution = 5,
    /// A corporate action.
    Action = 6,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Account, Self::Asset, Self::Order, Self::Group, Self::Execution, Self::Action];
}

/// A name: the exchange that gave it, what it names, the account it belongs to, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The exchange, so that two exchanges do not give the same names.
    pub exchange: u32,
    /// What is named.
    pub kind: Kind,
    /// The account's number; 0 for what belongs to none.
    pub account: u16,
    /// Its number among its like, below 2^48.
    pub nth: u64,
}

/// A text that is no name of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an id of this exchange")]
pub struct IdError;

impl fmt::Display for Id {
    /// In the form of a version 4 UUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exchange, account, kind) = (self.exchange, self.account, self.kind as u8);
        let nth = self.nth & 0xffff_ffff_ffff;
        write!(f, "{exchange:08x}-{account:04x}-4{kind:03x}-8000-{nth:012x}")
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or(IdError)?;
            u64::from_str_radix(part, 16).map_err(|_| IdError)
        };
        let (exchange, account, kind, _, nth) = (hex(8)?, hex(4)?, hex(4)?, hex(4)?, hex(12)?);
        let kind = Kind::ALL.into_iter().find(|it| u64::from(*it as u8) == kind & 0xfff);
        let id = Self {
            exchange: u32::try_from(exchange).map_err(|_| IdError)?,
            kind: kind.ok_or(IdError)?,
            account: u16::try_from(account).map_err(|_| IdError)?,
            nth,
        };
        // Only the one way to write it is its name: upper case and other versions name nothing.
        if id.to_string() == text { Ok(id) } else { Err(IdError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_uuid_and_is_read_back() {
        let id = Id { exchange: 0xabcd_0123, kind: Kind::Order, account: 2, nth: 77 };
        assert_eq!(id.to_string(), "abcd0123-0002-4003-8000-00000000004d");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "abcd0123",
            "abcd0123-0002-4003-8000-00000000004D",
            "abcd0123-0002-1003-8000-00000000004d",
            "abcd0123-0002-4009-8000-00000000004d",
            "abcd0123-0002-4003-8000-00000000004d-00",
            "zbcd0123-0002-4003-8000-00000000004d",
            "+bcd0123-0002-4003-8000-00000000004d",
        ] {
            assert_eq!(bad.parse::<Id>(), Err(IdError), "{bad}");
        }
    }
}
