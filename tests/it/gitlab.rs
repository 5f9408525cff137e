//! The client of GitLab's API against the stateful fake.
