"""The craft's subsystems: power, heat, transponder and shield. Pure steps of frozen states."""
