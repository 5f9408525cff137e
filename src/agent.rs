//! GitOps agents: what they say about a service after a commit.
