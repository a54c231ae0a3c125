"""The rules, pure: money, months, credits, invoice moves. Standard library only."""
