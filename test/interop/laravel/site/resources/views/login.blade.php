<!doctype html>
<title>Sign in</title>
<form method="post" action="/login">
    @csrf
    @error('mobile')<p>{{ $message }}</p>@enderror
    <input name="mobile" autocomplete="username">
    <input name="password" type="password" autocomplete="current-password">
    <label><input name="remember" type="checkbox" value="1"> Remember me</label>
    <button>Sign in</button>
</form>
