"""The numbers that the driver gives to errors."""
