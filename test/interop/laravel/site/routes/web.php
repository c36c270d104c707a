<?php

use App\Http\Controllers\LoginController;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Route;

Route::get('/login', [LoginController::class, 'form'])->name('login');
Route::post('/login', [LoginController::class, 'authenticate']);

// auth.session signs a session out that was begun under another password. A standard project chooses whether its routes
// have it; here a setting does.
Route::middleware(config('session.authenticate') ? ['auth', 'auth.session'] : ['auth'])
    ->get('/home', fn () => 'user ' . Auth::id());
