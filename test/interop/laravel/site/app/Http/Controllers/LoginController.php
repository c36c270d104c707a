<?php

namespace App\Http\Controllers;

use Illuminate\Http\Request;
use Illuminate\Routing\Controller;
use Illuminate\Support\Facades\Auth;

/** Signing in as Laravel's manual has it, under "Manually Authenticating Users", with the number for the address. */
class LoginController extends Controller
{
    public function form()
    {
        return view('login');
    }

    public function authenticate(Request $request)
    {
        $credentials = $request->validate(['mobile' => 'required', 'password' => 'required']);
        if (Auth::attempt($credentials, $request->boolean('remember'))) {
            $request->session()->regenerate();

            return redirect()->intended('home');
        }

        return back()->withErrors(['mobile' => 'The provided credentials do not match our records.']);
    }
}
