//! Exchange calendars: US equity sessions with holidays and early closes from 2000; coins never close.
