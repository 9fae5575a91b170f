"""A simulator of Microsoft Graph mail and the Microsoft login host."""
