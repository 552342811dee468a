//! Stable codes: every reason for which something is denied, vetoed, refused or rejected.
//!
//! A code is a promise to dashboards, alerts and scripts: it is added, never renamed. The catalogue
//! is printed as `docs/REFUSALS.md`; a test keeps the two equal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! codes {
    ($($variant:ident = $text:literal, $cause:literal, $remedy:literal;)*) => {
        /// A stable reason code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $cause] $variant,)*
        }

        impl Code {
            /// Every code there is, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it stands in records, metrics and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What has happened, one sentence.
            pub const fn cause(self) -> &'static str {
                match self {
                    $(Self::$variant => $cause,)*
                }
            }

            /// What to do about it, one sentence.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

codes! {
    GateConfidence = "gate.confidence", "The signal's confidence is below the adaptive threshold.", "Nothing: the strategy's hit rate on the symbol is too low at present.";
    GateCryptoShort = "gate.crypto_short", "A coin cannot be sold short.", "Nothing: crypto is long only.";
    GateExposure = "gate.exposure", "There is no exposure left under the limit.", "Wait for a position to close, or narrow what is traded.";
    GateCash = "gate.cash", "There is no cash left above the buffer.", "Wait for a position to close.";
    GatePosition = "gate.position", "The symbol's position is at its limit.", "Nothing: one symbol may not dominate the book.";
    GateVar = "gate.var", "The portfolio's value at risk is over its limit already.", "Wait until volatility falls or positions close.";
    GateCvar = "gate.cvar", "The portfolio's conditional value at risk is over its limit already.", "Wait until volatility falls or positions close.";
    GateDrawdown = "gate.drawdown", "The fall from the peak of equity is at the halting limit.", "Look at the report; a person may resume.";
    GateWinRate = "gate.win_rate", "The win rate is below its limit; entries rest for some sessions.", "Nothing: a fresh window starts after the cooldown.";
    GateLossStreak = "gate.loss_streak", "Too many losing trades in a row; entries rest for some sessions.", "Nothing: a fresh window starts after the cooldown.";
    GateRejectionStreak = "gate.rejection_streak", "Too many orders in a row were rejected by the broker.", "Read the rejections under `orders`; a fresh window starts after the cooldown.";
    GateDailyLoss = "gate.daily_loss", "The session's loss is at its limit.", "Nothing: entries rest until the cooldown ends.";
    GateVix = "gate.vix", "The market's volatility level is critical.", "Wait until it falls below the limit.";
    GateModelHealth = "gate.model_health", "The signal's source is unwell: it holds nearly always, or its calls are wrong too often.", "Look at the source's record; retrain or change the strategy.";
    GateOpenOrder = "gate.open_order", "An order for the symbol is open already.", "Wait for it, or cancel it.";
    GateCooldown = "gate.cooldown", "The symbol was traded a moment ago.", "Wait for the cooldown to end.";
    GateStaleData = "gate.stale_data", "The last bar of the symbol is too old.", "Check the feed.";
    GateSession = "gate.session", "The market for the symbol is closed.", "Wait for the session.";
    GateDayTrade = "gate.day_trade", "The local day-trade rule leaves no round trip within the session.", "Wait for the next session.";
    GateTradingState = "gate.trading_state", "The trading state permits no new risk.", "`conclave resume` once the reason is understood.";
    GuardPosition = "guardian.position", "After the order the position would be over its limit.", "Nothing: the guardian's limits are hard.";
    GuardExposure = "guardian.exposure", "After the order the exposure would be over its limit.", "Nothing: the guardian's limits are hard.";
    GuardCash = "guardian.cash", "After the order the cash would be below its buffer.", "Nothing: the guardian's limits are hard.";
    GuardVar = "guardian.var", "After the order the value at risk would be over its limit.", "Nothing: the guardian's limits are hard.";
    GuardCvar = "guardian.cvar", "After the order the conditional value at risk would be over its limit.", "Nothing: the guardian's limits are hard.";
    GuardDrawdown = "guardian.drawdown", "The drawdown is at its limit.", "Nothing: the guardian's limits are hard.";
    GuardStops = "guardian.stops", "If every stop filled with a gap the drawdown would be over its limit.", "Nothing: the guardian's limits are hard.";
    GuardDailyLoss = "guardian.daily_loss", "The session's loss is at its limit.", "Nothing: the guardian's limits are hard.";
    GuardTradingState = "guardian.trading_state", "The trading state permits no new risk.", "`conclave resume` once the reason is understood.";
    GuardCorrelation = "guardian.correlation", "The symbol moves with a position that is held already.", "Nothing: a soft veto; unanimous agents may appeal.";
    GuardCrash = "guardian.crash", "The regime filter fears a crash.", "Nothing: a soft veto; unanimous agents may appeal.";
    GuardRegime = "guardian.regime", "The entry goes against a clear regime.", "Nothing: a soft veto; unanimous agents may appeal.";
    GuardLossStreak = "guardian.loss_streak", "Several losing trades in a row.", "Nothing: a soft veto; unanimous agents may appeal.";
    GuardWinRate = "guardian.win_rate", "A low win rate together with a drawdown.", "Nothing: a soft veto; unanimous agents may appeal.";
    GuardJudgement = "guardian.judgement", "The guardian's model objects for a reason of its own.", "Read the reasoning under `rounds`.";
    GuardSilent = "guardian.silent", "The guardian is dead, late or unreadable; no new risk without it.", "`conclave status` shows its health; it is restarted by itself.";
    RoundNoQuorum = "round.no_quorum", "Too few agents voted for or against.", "`conclave rounds ID` names who failed, abstained or was late.";
    RoundRefused = "round.refused", "The votes for were under the threshold.", "Nothing: the council does not want this entry.";
    RoundNotUnanimous = "round.not_unanimous", "A critical action was not unanimous.", "Nothing: critical actions need every voter.";
    RoundInterrupted = "round.interrupted", "The process ended while the round was open, and its bar is too old by now.", "Nothing: the next bar asks again.";
    RoundExitAdvised = "round.exit_advised", "An agent advised to leave the symbol where an entry was asked for; the more cautious wins.", "Nothing: the next bar asks again.";
    SafetyForbidden = "safety.forbidden", "An answer asked for a forbidden action.", "Read the answer under `rounds`; no setting permits it.";
    SafetyTeamHour = "safety.team_hour", "The team's paid consultations of this hour are spent.", "Wait, or raise `budgets.team_per_hour`.";
    SafetyAllHour = "safety.all_hour", "All paid consultations of this hour are spent.", "Wait, or raise `budgets.all_per_hour`.";
    SafetyRunConsultations = "safety.run_consultations", "The run's paid consultations are spent.", "Raise `budgets.training_run`.";
    SafetyCallsTick = "safety.calls_tick", "The contestant's questions of this tick are spent.", "Raise `budget.calls_per_tick` of its models in the season's file, or give it fewer symbols or rounds.";
    SafetyActionsHour = "safety.actions_hour", "The actions of this hour are spent.", "Wait, or raise `budgets.actions_per_hour`.";
    SafetySpacing = "safety.spacing", "The same parameter was adjusted a moment ago.", "Wait for the spacing to pass.";
    SafetyCriticalDay = "safety.critical_day", "The critical actions of this day are spent.", "Wait for tomorrow.";
    SafetyMoneyCall = "safety.money_call", "The call could cost more than a call may.", "Choose a cheaper tier, or raise `budgets.usd_per_call`.";
    SafetyMoneyRun = "safety.money_run", "The run's money is spent.", "Raise `budgets.usd_per_run`.";
    SafetyMoneyDay = "safety.money_day", "The day's money is spent.", "Wait, or raise `budgets.usd_per_day`.";
    SafetyMoneyHour = "safety.money_hour", "The hour's money is spent.", "Wait, or raise `budgets.usd_per_hour`.";
    SafetyMoneyAgent = "safety.money_agent", "The agent's money of this day is spent.", "Wait, or raise `budgets.usd_per_day_by_agent.NAME`.";
    SafetyMoneyModel = "safety.money_model", "The model's money of this day is spent.", "Wait, or raise `budgets.usd_per_day_by_model.NAME`.";
    SafetyMoneyDayAll = "safety.money_day_all", "The day's money of all runs together is spent.", "Wait, or raise `budgets.usd_per_day`; the ledger that `models.ledger` names holds every call.";
    SafetyMoneyHourAll = "safety.money_hour_all", "The hour's money of all runs together is spent.", "Wait, or raise `budgets.usd_per_hour`; the ledger that `models.ledger` names holds every call.";
    SafetyLedger = "safety.ledger", "The ledger of what all runs have spent cannot be read or written.", "Free space on the disk, or mend the file that `models.ledger` names; an empty name goes without it.";
    SafetyNoModel = "safety.no_model", "None of the agent's models exists at its provider any more.", "Name models that exist by `providers.NAME.TIER`.";
    SafetyUnknownPrice = "safety.unknown_price", "The model's price is not known.", "Add the model to the price table.";
    SafetyShed = "safety.shed", "The agent has as many consultations in flight as it may.", "Raise `agents.NAME.permits`, or ask less often.";
    SafetyHalted = "safety.halted", "The trading state is halted: no consultations, no new risk; exits go on.", "`conclave resume` once the reason is understood.";
    SafetyFenced = "safety.fenced", "A veto, a halt or another mode came between the verdict and the order.", "Nothing: the order was too old to leave.";
    SafetyExpired = "safety.expired", "The clearance was too old when the order was about to leave.", "Nothing: the next bar asks again.";
    SafetyAbsent = "safety.absent", "Safety is dead or restarting; no new risk without it, exits go on.", "It is restarted by itself; look at the log if it stays away.";
    SafetyStore = "safety.store", "The records could not be written; no new risk until they can.", "Free space on the disk and look at the log.";
    ModeAdvisory = "mode.advisory", "Advisory mode: recommended, and filled in the shadow book only.", "`conclave mode supervised` once you trust it.";
    ModeUpward = "mode.upward", "The mode may not be raised yet.", "Fourteen days of advisory record, or `--override` with a reason.";
    ApprovalDenied = "approval.denied", "A person said no.", "Nothing.";
    ApprovalExpired = "approval.expired", "Nobody answered in time; silence means no.", "Answer within `approvals.expiry`.";
    ApprovalUnchecked = "approval.unchecked", "The process was started anew after the proposal, and the market that it was weighed against is gone.", "Wait for the next proposal.";
    SizeZero = "size.zero", "The caps leave nothing to buy.", "Nothing: the book is full or the price is higher than the size.";
    OrderDuplicate = "order.duplicate", "The same order was sent before; the first answer stands.", "Nothing.";
    OrderForgotten = "order.forgotten", "What came is of an order that left memory long ago, or was never ours; it changed nothing.", "Look the order up in the audit; the broker's account is what counts.";
    OrderFractionalShort = "order.fractional_short", "A fraction of a share cannot be sold short.", "Trade whole shares.";
    OrderExtendedHours = "order.extended_hours", "Outside the regular session only limit orders for the day are taken.", "Use a limit and day.";
    OrderBehindExit = "order.behind_exit", "An exit of the symbol waits at the broker, which refuses orders on its other side.", "Nothing: the next signal asks again once the position is closed.";
    OrderSession = "order.session", "The share's session is over: the order would wait for the next opening, at a price that nobody has weighed.", "Nothing: the next session's signals ask again.";
    OrderRules = "order.rules", "The broker's rules take no such order, so it was not sent.", "Read the text beside it.";
    OrderInvalid = "order.invalid", "The order makes no sense as it stands.", "Read the text beside it.";
    BrokerRejected = "broker.rejected", "The broker did not take the order.", "Read the text beside it.";
    BrokerFunds = "broker.funds", "The account cannot pay for the order.", "Nothing: sizing caps the next one.";
    BrokerUnknown = "broker.unknown", "The broker does not know the order: it never arrived.", "Nothing: an exit is sent again, an entry waits for its next signal.";
    BrokerDoubt = "broker.doubt", "The broker's news of an order makes no sense; it changed nothing.", "Nothing: the account is compared with the broker's statement.";
    AppealNotUnanimous = "appeal.not_unanimous", "An appeal needs the other agents to agree.", "Nothing.";
    AppealConfidence = "appeal.confidence", "An appeal needs a higher mean confidence.", "Nothing.";
    AppealHeadroom = "appeal.headroom", "A hard limit is too near for an appeal.", "Nothing.";
    AppealPermit = "appeal.permit", "No permit for a critical action is left for an appeal.", "Wait for tomorrow.";
    AppealHard = "appeal.hard", "A hard veto is never appealable.", "Nothing.";
    AppealPerson = "appeal.person", "In supervised mode a person must approve an appeal, and none did in time.", "Answer the approval next time: it names the objection that the council has overcome.";
    TrainingLeverFailed = "training.lever_failed", "The last use of this lever failed its verification.", "Nothing: the ledger of the run shows what happened.";
    TrainingGrace = "training.grace", "The last change still awaits its verification.", "Nothing: levers move again after the next validation.";
    TrainingStale = "training.stale", "The answer came more than one validation cycle after it was asked for.", "Nothing: the next cycle asks again; fewer cycles give models more time.";
    TrainingBrake = "training.brake", "A critical lever or a change of reward weights lacks the declining validations that it takes, or comes too early.", "Nothing: `docs/AGENTS.md` has the rules.";
    TrainingSimulation = "training.simulation", "On a copy of the run the lever did harm, so it was not moved.", "Nothing: the record has the figures.";
    TrainingRefused = "training.refused", "The trainer refused the lever: its cumulative bounds are reached, or there is nothing to act on.", "Read the text beside it.";
    TrainingComposed = "training.composed", "Another lever of the same proposal came before it.", "Nothing: the record names it.";
    TrainingJudgement = "training.judgement", "The Risk Analyst objects for a reason of its own.", "Read the reasoning under `rounds`.";
    SelectionNoList = "selection.no_list", "What the agents ask for leaves no list.", "Nothing: the list without them stands; `selection.json` names what they asked for.";
    ArenaQuantity = "arena.quantity", "Nothing, or less than nothing, is traded.", "Nothing: the market takes no such trade.";
    ArenaFraction = "arena.fraction", "A part of a unit that the market does not trade.", "Trade what `arena rules` names as a lot.";
    ArenaLot = "arena.lot", "No multiple of the market's lot, and not all that is held.", "Trade what `arena rules` names as a lot.";
    ArenaSession = "arena.session", "The market is closed.", "Trade within the hours that `arena rules` names.";
    ArenaNoPrice = "arena.no_price", "The market has no price of the symbol at that moment.", "Look whether the prices are of the same market and time.";
    ArenaPrice = "arena.price", "The price that the trade names is not the market's.", "Look whether the prices are the ones that were traded on.";
    ArenaPriceLimit = "arena.price_limit", "The price is beyond the day's limit, or at it on the side that finds nobody.", "Nothing: the next session has limits of its own.";
    ArenaCash = "arena.cash", "The cash does not pay for the trade and its fee.", "Nothing: the arena lends nothing.";
    ArenaPosition = "arena.position", "More is sold than is held.", "Nothing: the season permits no shorts.";
    ArenaTPlusOne = "arena.t_plus_1", "What is sold was bought on the same day of a market that settles the next.", "Sell it from the next session on.";
    ArenaLeverage = "arena.leverage", "The leverage is outside 1 to 40.", "Nothing: the arena believes no other.";
    ArenaTime = "arena.time", "The trade ends before it begins, or its time cannot be.", "Look at the line that is named.";
    UniverseOutside = "universe.outside", "The symbol is none of those that the run may enter at present.", "Nothing: `universe.reviewed` in the log says when and why it left; its exits go on.";
    UniverseShort = "universe.short", "Fewer symbols of the run fit together than a universe must have.", "Look at `against` in `universe.reviewed`: the members stay; name more symbols, or a table of assets.";
    UniverseMoved = "universe.moved", "The members are not those any more that the change was made for.", "Nothing: the next review looks at the members as they are.";
}

/// A text that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a reason code")]
pub struct CodeError {
    text: String,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| CodeError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_reads_back() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for &code in Code::ALL {
            assert_eq!(code.as_str().parse::<Code>(), Ok(code));
        }
    }
}
