"""What officers and a ceremony ask: open, judge and carry out cases."""
