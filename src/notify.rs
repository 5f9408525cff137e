//! Announcements of start and finish.
