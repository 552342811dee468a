//! The portfolio as it would be after an order.
