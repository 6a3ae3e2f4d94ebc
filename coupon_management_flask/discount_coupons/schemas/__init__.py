"""The shapes of the discount contract: camelCase outside, as Python has it inside."""
