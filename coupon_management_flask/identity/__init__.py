"""Who somebody is and what they did: accounts, passwords, sessions, API keys, failed attempts."""
