"""The rules that every contract shares. Knows no HTTP and no contract."""
