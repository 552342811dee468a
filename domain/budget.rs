//! Budgets: how often, how much and how soon again something may be done.
