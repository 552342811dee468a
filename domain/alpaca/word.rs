//! The words of Alpaca's vocabulary. One that is not known is kept as it came: a new status must not
//! fail the message that it stands in.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest word that is kept, characters.
const WORD_MAX: usize = 40;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word])* $variant,)*
            /// A word that is not known here, as it came.
            Other(String),
        }

        impl $name {
            /// Every word that is known.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(word) => word,
                }
            }

            /// Reads a word.
            pub fn read(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.chars().take(WORD_MAX).collect()),
                }
            }
        }

        impl Default for $name {
            /// No word at all.
            fn default() -> Self {
                Self::read("")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Ok(Self::read(text.as_deref().unwrap_or_default()))
            }
        }
    };
}

words! {
    /// Buy or sell.
    Side {
        /// Adds to a long position or takes from a short one.
        Buy = "buy",
        /// Adds to a short position or takes from a long one.
        Sell = "sell",
    }
}

words! {
    /// How an order seeks its price.
    OrderType {
        /// At the next price there is.
        Market = "market",
        /// At its limit or better.
        Limit = "limit",
        /// A market order once the stop has traded.
        Stop = "stop",
        /// A limit order once the stop has traded.
        StopLimit = "stop_limit",
        /// A stop that follows the best price.
        TrailingStop = "trailing_stop",
    }
}

words! {
    /// How long an order stays.
    TimeInForce {
        /// Until the end of the session.
        Day = "day",
        /// Until canceled, 90 days at most.
        Gtc = "gtc",
        /// In the opening auction.
        Opg = "opg",
        /// In the closing auction.
        Cls = "cls",
        /// At once; the rest is canceled.
        Ioc = "ioc",
        /// At once and whole, or not at all.
        Fok = "fok",
    }
}

words! {
    /// How orders belong together.
    OrderClass {
        /// One order; also written as nothing at all.
        Simple = "simple",
        /// An entry with a take-profit and a stop-loss.
        Bracket = "bracket",
        /// Two exits, of which one cancels the other.
        Oco = "oco",
        /// An entry with one exit.
        Oto = "oto",
        /// Several legs of options; not spoken here.
        MultiLeg = "mleg",
    }
}

impl OrderClass {
    /// Whether the order stands alone: `simple`, or the empty word that means the same.
    pub fn is_simple(&self) -> bool {
        matches!(self, Self::Simple) || self.name().is_empty()
    }
}

words! {
    /// Where an order stands.
    OrderStatus {
        /// Received and routed.
        New = "new",
        /// Filled in part.
        PartiallyFilled = "partially_filled",
        /// Filled whole.
        Filled = "filled",
        /// Nothing more today; the final figures come after the close.
        DoneForDay = "done_for_day",
        /// Canceled; a part may be filled.
        Canceled = "canceled",
        /// Its time ran out; a part may be filled.
        Expired = "expired",
        /// Another order stands in its place.
        Replaced = "replaced",
        /// Waiting to be canceled.
        PendingCancel = "pending_cancel",
        /// Waiting to be replaced.
        PendingReplace = "pending_replace",
        /// Received, not yet routed: usual outside of the session.
        Accepted = "accepted",
        /// Routed, not yet taken by the market.
        PendingNew = "pending_new",
        /// In an auction.
        AcceptedForBidding = "accepted_for_bidding",
        /// A trade is guaranteed, and has not happened yet.
        Stopped = "stopped",
        /// Refused by the market.
        Rejected = "rejected",
        /// Not eligible for trading at present.
        Suspended = "suspended",
        /// Done for the day, with the settlement still being computed.
        Calculated = "calculated",
        /// A leg that waits for its entry.
        Held = "held",
    }
}

impl OrderStatus {
    /// Whether nothing more is expected of the order. A status that is not known is not final.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Canceled | Self::Expired | Self::Replaced | Self::Rejected
        )
    }

    /// Whether the order can be replaced: not while it is on its way in any direction.
    pub const fn is_replaceable(&self) -> bool {
        !self.is_final()
            && !matches!(
                self,
                Self::Accepted | Self::PendingNew | Self::PendingCancel | Self::PendingReplace
            )
    }
}

words! {
    /// What an order is in its group.
    GroupRole {
        /// Opens the position.
        Entry = "entry",
        /// The exit with profit.
        TakeProfit = "take_profit",
        /// The exit that protects.
        StopLoss = "stop_loss",
    }
}

words! {
    /// What an order is meant to do to the position.
    PositionIntent {
        /// Opens or adds to a long position.
        BuyToOpen = "buy_to_open",
        /// Takes from a short position.
        BuyToClose = "buy_to_close",
        /// Opens or adds to a short position.
        SellToOpen = "sell_to_open",
        /// Takes from a long position.
        SellToClose = "sell_to_close",
    }
}

words! {
    /// What kind of thing is traded.
    VenueClass {
        /// A US share or fund.
        UsEquity = "us_equity",
        /// A coin.
        Crypto = "crypto",
    }
}

words! {
    /// Whether an asset is traded at all.
    AssetStatus {
        /// It is.
        Active = "active",
        /// It is not.
        Inactive = "inactive",
    }
}

words! {
    /// Where an account stands.
    AccountStatus {
        /// It may trade.
        Active = "ACTIVE",
        /// It does nothing.
        Inactive = "INACTIVE",
        /// It trades on paper only.
        PaperOnly = "PAPER_ONLY",
        /// It is being opened.
        Onboarding = "ONBOARDING",
        /// It waits for its approval.
        ApprovalPending = "APPROVAL_PENDING",
        /// Its owner's data are being changed.
        AccountUpdated = "ACCOUNT_UPDATED",
        /// It was refused.
        Rejected = "REJECTED",
        /// It was closed.
        AccountClosed = "ACCOUNT_CLOSED",
        /// Its owner must do something.
        ActionRequired = "ACTION_REQUIRED",
        /// It may do less than others.
        Limited = "LIMITED",
    }
}

words! {
    /// What the stream of trade updates tells.
    UpdateEvent {
        /// Routed to the market.
        New = "new",
        /// Received, not yet routed.
        Accepted = "accepted",
        /// Filled whole by this execution.
        Fill = "fill",
        /// Filled in part by this execution.
        PartialFill = "partial_fill",
        /// Canceled.
        Canceled = "canceled",
        /// Its time ran out.
        Expired = "expired",
        /// Nothing more today.
        DoneForDay = "done_for_day",
        /// Another order stands in its place.
        Replaced = "replaced",
        /// Refused by the market.
        Rejected = "rejected",
        /// On its way to the market.
        PendingNew = "pending_new",
        /// A trade is guaranteed, and has not happened yet.
        Stopped = "stopped",
        /// Waiting to be canceled.
        PendingCancel = "pending_cancel",
        /// Waiting to be replaced.
        PendingReplace = "pending_replace",
        /// Being computed after the close.
        Calculated = "calculated",
        /// Not eligible for trading at present.
        Suspended = "suspended",
        /// A leg that waits for its entry.
        Held = "held",
        /// A correction or a bust of an execution.
        Restated = "restated",
        /// The replacement was refused; the order stands.
        OrderReplaceRejected = "order_replace_rejected",
        /// The cancellation was refused; the order stands.
        OrderCancelRejected = "order_cancel_rejected",
    }
}

impl UpdateEvent {
    /// Whether the update carries an execution.
    pub const fn is_fill(&self) -> bool {
        matches!(self, Self::Fill | Self::PartialFill)
    }
}
