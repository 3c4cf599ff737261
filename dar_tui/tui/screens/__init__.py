"""What fills the terminal: the chat, one picture large, and the dialogs that are one list or one form.

All are opaque: pictures of real pixels can neither be covered nor shine through. They are made of `widgets` and may
import everything of `dar_tui.tui` but `app` and the engines; no screen searches, saves or opens a library itself.
"""
