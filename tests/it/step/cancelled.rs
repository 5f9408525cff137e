//! A pipeline that is over in the middle of its run: found by GitLab's word.
