"""What carries out actions: each executor behind the one protocol of ``base``."""
