"""A second program that verifies certificates; it shares nothing with the one that writes them."""
