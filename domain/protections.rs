//! Cooldowns and windows: win rate, loss streak, rejections, daily loss, model health.
