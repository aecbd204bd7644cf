"""Alpha mattes of the person, and the background without the person."""
