"""The codebook oracle: a law's codebook with every digit proven, and anyone's table judged against it."""
